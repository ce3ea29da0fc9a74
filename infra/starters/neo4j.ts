/** A Neo4j server for tests and for trying things out: own data folder, own port, loopback only, ends with its owner. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Driver } from 'neo4j-driver'
import { type Kept, keep } from '../../src/temporal/keeper.ts'
import { freePort, isFree, StarterError, temporaryFolder } from './host.ts'
import { javaLibraries } from './maven.ts'

/** The long-term release; later ones want Java 21. */
const VERSION = '5.26.0'

export interface Neo4jOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Folder that keeps the data, new or of a server before. Default: a temporary one that goes with the server. */
  readonly data?: string
  /** False: whoever can reach the port may do everything. Default: the user `neo4j` with a password of its own. */
  readonly auth?: boolean
  /** Settings of the server; they win over those chosen here. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** A server that answers. */
export interface RunningNeo4j {
  /** `bolt://neo4j:password@127.0.0.1:7687`. */
  readonly url: string
  /** `Neo4j 5.26.0`. */
  readonly name: string
  /** Stops the server if it was started here; its data goes unless it has a folder of its own. */
  stop(): Promise<void>
}

/** It loads for five seconds, on a machine with other work for much longer. */
const PATIENCE_MS = 180_000

/** The server named by `DEFACTO_NEO4J_URL`, else one that is started. */
export async function findNeo4j(options: Neo4jOptions = {}): Promise<RunningNeo4j> {
  const url = process.env['DEFACTO_NEO4J_URL']
  if (!url) return startNeo4j(options)
  try {
    await ask(url, passwordOf(url))
    return { url, name: `The Neo4j server at ${new URL(url).host}`, stop: async () => {} }
  } catch (error) {
    const place = URL.canParse(url) ? ` (${new URL(url).host})` : ''
    throw new StarterError(
      `The server of DEFACTO_NEO4J_URL${place} does not answer: ${(error as { code?: string }).code ?? 'no URL'}.\n` +
        'Correct the address (bolt://user:password@host:7687), or unset it to have a server started.',
    )
  }
}

/**
 * Starts a server of one's own.
 * @throws StarterError when its archives cannot be had, or when it does not start
 */
export async function startNeo4j(options: Neo4jOptions = {}): Promise<RunningNeo4j & AsyncDisposable> {
  const artifacts = [`org.neo4j:neo4j:${VERSION}`, `org.neo4j.app:neo4j-server:${VERSION}`]
  const lib = await javaLibraries({ name: 'neo4j', version: VERSION, artifacts, missing })
  const port = options.port ?? (await freePort())
  if (!(await isFree(port))) throw new StarterError(`Port ${port} of 127.0.0.1 is taken: choose another one.`)
  const temporary = options.data === undefined
  const folder = options.data === undefined ? temporaryFolder('neo4j') : resolve(options.data)
  const conf = join(folder, 'conf')
  await mkdir(conf, { recursive: true })
  await writeFile(join(conf, 'neo4j.conf'), settingsText(port, options))
  const log = join(folder, 'log')
  const written = (await stat(log).catch(() => null))?.size ?? 0
  const home = [`--home-dir=${folder}`, `--config-dir=${conf}`]
  const kept = keep(['java', ...JVM, '-cp', `${lib}/*`, 'org.neo4j.server.CommunityEntryPoint', ...home], {
    signal: 'TERM',
    log,
    cwd: folder,
    env: environment(),
    user: null,
    temporary: temporary ? folder : null,
  })
  async function stop(): Promise<void> {
    await kept.stop()
    if (temporary) await rm(folder, { recursive: true, force: true })
  }
  const place = `127.0.0.1:${port}`
  const password = options.auth === false ? null : await secretOf(folder)
  if (!(await answers(`bolt://${place}`, password, kept))) {
    await kept.stop()
    const said = (await readFile(log, 'utf8').catch(() => '')).slice(written)
    await stop()
    throw new StarterError(`Neo4j ${VERSION} did not start on port ${port}. Its log:\n${said.trim()}`)
  }
  const url = password === null ? `bolt://${place}` : `bolt://neo4j:${password}@${place}`
  return { url, name: `Neo4j ${VERSION}`, stop, [Symbol.asyncDispose]: stop }
}

/** A small machine: its JIT compiler stops at the quick level, its heap starts small. */
const JVM = [
  '-Xms64m',
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:-UsePerfData',
  '-Djdk.nio.maxCachedBufferSize=1024',
  '-Dio.netty.tryReflectionSetAccessible=true',
  ...['java.nio', 'java.io', 'sun.nio.ch', 'java.lang', 'java.util.concurrent'].map(
    (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
  ),
]

/** Nothing but Bolt, nothing sent to anybody, no room taken ahead, and no waiting for quiet when it stops. */
function settingsText(port: number, options: Neo4jOptions): string {
  const settings = {
    'server.default_listen_address': '127.0.0.1',
    'server.bolt.listen_address': `127.0.0.1:${port}`,
    'server.bolt.advertised_address': `127.0.0.1:${port}`,
    'server.http.enabled': 'false',
    'server.https.enabled': 'false',
    'dbms.usage_report.enabled': 'false',
    'dbms.security.auth_enabled': String(options.auth !== false),
    'server.memory.pagecache.size': '64m',
    'db.tx_log.preallocate': 'false',
    'db.logs.query.enabled': 'OFF',
    'internal.server.bolt.connection_shutdown_wait_time': '0s',
    'internal.server.bolt.thread_pool_shutdown_wait_time': '1s',
    ...options.settings,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** Variables like NEO4J_AUTH and JAVA_TOOL_OPTIONS of the surrounding shell are none of the server's business. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NEO4J|JAVA_|JDK_)/.test(name)))
}

/** Made once for a data folder. */
async function secretOf(folder: string): Promise<string> {
  const path = join(folder, 'password')
  const known = await readFile(path, 'utf8').catch(() => null)
  if (known !== null) return known
  const fresh = randomBytes(12).toString('hex')
  await writeFile(path, fresh, { mode: 0o600 })
  return fresh
}

/** False when it ended or the time is over. A new server gets its password. */
async function answers(url: string, password: string | null, kept: Kept): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS
  let initial = false
  while (kept.running && performance.now() < deadline) {
    try {
      if (initial && password !== null) await changePassword(url, password)
      await ask(url, password === null ? null : ['neo4j', password])
      return kept.running
    } catch (error) {
      const { code } = error as { code?: string }
      initial = code === 'Neo.ClientError.Security.Unauthorized'
    }
    await Promise.race([delay(100), kept.ended])
  }
  return false
}

type Login = readonly [user: string, password: string] | null

async function ask(url: string, login: Login): Promise<void> {
  await withDriver(url, login, (driver) => driver.verifyConnectivity())
}

async function changePassword(url: string, password: string): Promise<void> {
  await withDriver(url, ['neo4j', 'neo4j'], (driver) =>
    driver.executeQuery(
      "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password",
      { password },
      { database: 'system' },
    ),
  )
}

async function withDriver(url: string, login: Login, work: (driver: Driver) => Promise<unknown>): Promise<void> {
  const { default: neo4j } = await import('neo4j-driver')
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  const token = login === null ? undefined : neo4j.auth.basic(...login)
  const driver = neo4j.driver(plain.href.replace(/\/$/, ''), token, {
    connectionTimeout: 10_000,
    telemetryDisabled: true,
  })
  try {
    await work(driver)
  } finally {
    await driver.close()
  }
}

function passwordOf(url: string): Login {
  const { username, password } = new URL(url)
  return username === '' ? null : [decodeURIComponent(username), decodeURIComponent(password)]
}

function missing(tried: string): StarterError {
  return new StarterError(
    [
      'There is no Neo4j server here, and none could be fetched.',
      `- ${tried}`,
      "Install Java 17 or 21 and Maven ('apt-get install openjdk-17-jre-headless maven', 'brew install openjdk@17 maven'),",
      'or name a running server in DEFACTO_NEO4J_URL (bolt://user:password@host:7687).',
    ].join('\n'),
  )
}
