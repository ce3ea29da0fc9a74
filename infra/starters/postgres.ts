/** A Postgres server for tests and for trying things out: own data folder, own port, loopback only, ends with its owner. */
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Kept, keep } from '../../src/temporal/keeper.ts'
import {
  freePort,
  isOpenToAll,
  isRoot,
  run,
  StarterError,
  type SystemUser,
  systemUser,
  temporaryFolder,
} from './host.ts'
import { type Binaries, postgresBinaries } from './postgres-binaries.ts'

export interface PostgresOptions {
  /** Data on the disk before a commit is answered. Otherwise it survives a crash of the server, not one of the machine. */
  readonly durable?: boolean
  /** Settings of the server, `{ max_connections: 5 }`; they win over those chosen here. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Folder that keeps the data, new or of a server before. Default: a temporary one that goes with the server. */
  readonly data?: string
  /** Default: a free one. */
  readonly port?: number
  /** Major version. Default: that of the data, else `DEFACTO_POSTGRES_VERSION`, else the newest of the machine. */
  readonly version?: number
}

/** A server that answers. */
export interface RunningPostgres {
  /** Connection string of the superuser `postgres` to the database `postgres`. */
  readonly url: string
  /** `15.18`. */
  readonly version: string
  /** Stops the server if it was started here; its data goes unless it has a folder of its own. */
  stop(): Promise<void>
}

/** A server of one's own, to be broken at will. */
export interface PostgresServer extends RunningPostgres, AsyncDisposable {
  readonly port: number
  /** Process that the others are children of; another one after `restart`. */
  readonly pid: number
  /** Has the cluster, the log (`log`) and the password (`password`). */
  readonly dataFolder: string
  /** All processes end at once, without a checkpoint, as by a crash. */
  crash(): Promise<void>
  /** Starts again on the same data and port, after a `crash` or stopping in order first. */
  restart(): Promise<void>
}

/** How long a server may take until it answers; recovery after a crash included. */
const PATIENCE_MS = 60_000

/** The server named by `DEFACTO_POSTGRES_URL`, else one that is started. */
export async function findPostgres(options: PostgresOptions = {}): Promise<RunningPostgres> {
  const url = process.env['DEFACTO_POSTGRES_URL']
  if (!url) return startPostgres(options)
  try {
    return { url, version: await versionOf(url), stop: async () => {} }
  } catch (error) {
    const place = URL.canParse(url) ? ` (${new URL(url).host})` : ''
    throw new StarterError(
      `The server of DEFACTO_POSTGRES_URL${place} does not answer: ${(error as Error).message || (error as { code?: string }).code}.\n` +
        'Correct the address, or unset it to have a server started.',
    )
  }
}

/**
 * Starts a server of one's own.
 * @throws StarterError when there is no Postgres and none can be installed, or when it does not start
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = isRoot() ? await unprivilegedUser() : null
  const folder = options.data === undefined ? temporaryFolder('postgres') : resolve(options.data)
  try {
    await prepareFolder(folder, user)
    const cluster = await preparedCluster(folder, user, options)
    return await Server.start(cluster, options)
  } catch (error) {
    if (options.data === undefined) await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Postgres refuses to run as root. */
async function unprivilegedUser(): Promise<SystemUser> {
  const user = await systemUser(['postgres', 'nobody'])
  if (user !== null) return user
  throw new StarterError("Postgres does not run as root, and there is no user 'postgres' or 'nobody' to run it as.")
}

async function prepareFolder(folder: string, user: SystemUser | null): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (user === null) return
  await chown(folder, user.uid, user.gid)
  if (!isOpenToAll(resolve(folder, '..'))) {
    throw new StarterError(`Postgres runs as '${user.name}', who cannot reach ${folder}: choose a folder open to all.`)
  }
}

interface Cluster {
  readonly folder: string
  readonly temporary: boolean
  readonly user: SystemUser | null
  readonly binaries: Binaries
  readonly password: string
}

/** A new cluster appears whole or not at all. */
async function preparedCluster(folder: string, user: SystemUser | null, options: PostgresOptions): Promise<Cluster> {
  const before = await readFile(join(folder, 'cluster', 'PG_VERSION'), 'utf8').catch(() => null)
  const wanted = options.version ?? before ?? process.env['DEFACTO_POSTGRES_VERSION']
  const binaries = await postgresBinaries(wanted === undefined || wanted === '' ? null : Number(wanted))
  const secret = join(folder, 'password')
  if (before === null) {
    const fresh = join(folder, 'cluster.new')
    await rm(fresh, { recursive: true, force: true })
    await writeFile(secret, randomBytes(12).toString('hex'), { mode: 0o600 })
    if (user !== null) await chown(secret, user.uid, user.gid)
    const flags = [
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${secret}`,
      '--encoding=UTF8',
      '--no-locale',
    ]
    const { ok, output } = await run(join(binaries.folder, 'initdb'), [...flags, '--no-sync', '-D', fresh], {
      cwd: folder,
      env: plainEnvironment(),
      user,
    })
    if (!ok) throw new StarterError(`initdb of PostgreSQL ${binaries.version} failed in ${folder}:\n${output}`)
    await rename(fresh, join(folder, 'cluster'))
  }
  const password = await readFile(secret, 'utf8')
  return { folder, temporary: options.data === undefined, user, binaries, password }
}

/** Variables like PGPORT and LC_MESSAGES of the surrounding shell are none of the server's business. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}

function settingsOf(options: PostgresOptions): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '64MB',
    // What a killed server wrote is in the system's cache, so committed data survives without these.
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...options.settings,
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

class Server implements PostgresServer {
  readonly #cluster: Cluster
  readonly #settings: readonly string[]
  #port: number
  #pid = 0
  #kept: Kept | null = null

  private constructor(cluster: Cluster, settings: readonly string[], port: number) {
    this.#cluster = cluster
    this.#settings = settings
    this.#port = port
  }

  static async start(cluster: Cluster, options: PostgresOptions): Promise<Server> {
    for (let attempt = 1; ; attempt++) {
      const server = new Server(cluster, settingsOf(options), options.port ?? (await freePort()))
      try {
        await server.#start()
        return server
      } catch (error) {
        // Somebody took the free port in between.
        const taken = error instanceof StarterError && error.message.includes('Address already in use')
        if (!taken || options.port !== undefined || attempt === 5) throw error
      }
    }
  }

  get url(): string {
    return `postgresql://postgres:${this.#cluster.password}@127.0.0.1:${this.#port}/postgres`
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    return this.#pid
  }

  get version(): string {
    return this.#cluster.binaries.version
  }

  get dataFolder(): string {
    return this.#cluster.folder
  }

  async stop(): Promise<void> {
    await this.#kept?.stop()
    if (this.#cluster.temporary) await rm(this.dataFolder, { recursive: true, force: true })
  }

  async crash(): Promise<void> {
    await this.#end('SIGQUIT')
  }

  async restart(): Promise<void> {
    await this.#end('SIGINT')
    await this.#start()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    try {
      if (this.#kept?.running) process.kill(this.#pid, signal)
    } catch (error) {
      // A test was quicker.
      if ((error as { code?: string }).code !== 'ESRCH') throw error
    }
    await this.#kept?.ended
  }

  async #start(): Promise<void> {
    const { folder, temporary, user, binaries } = this.#cluster
    const log = join(folder, 'log')
    const written = (await stat(log).catch(() => null))?.size ?? 0
    const command = [join(binaries.folder, 'postgres'), '-D', join(folder, 'cluster'), '-p', String(this.#port)]
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      this.#kept = keep([...command, ...this.#settings], {
        signal: 'INT',
        log,
        cwd: folder,
        env: plainEnvironment(),
        user,
        temporary: temporary ? folder : null,
      })
      if (await this.#answers(this.#kept, deadline)) break
      const said = (await readFile(log, 'utf8')).slice(written)
      await this.#kept.stop()
      // Children of a killed server need a moment to notice.
      const orphans = said.includes('pre-existing shared memory block')
      if (!orphans || performance.now() > deadline) {
        throw new StarterError(`PostgreSQL ${binaries.version} did not start in ${folder}. Its log:\n${said.trim()}`)
      }
      await delay(100)
    }
    const lock = await readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8')
    this.#pid = Number(lock.split('\n')[0])
  }

  /** False when it ended or the time is over. */
  async #answers(kept: Kept, deadline: number): Promise<boolean> {
    while (kept.running && performance.now() < deadline) {
      try {
        await versionOf(this.url)
        return kept.running
      } catch {
        await Promise.race([delay(20), kept.ended])
      }
    }
    return false
  }
}

async function versionOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // A server that goes away while it is asked says so twice.
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    return rows[0]?.server_version.split(' ')[0] ?? ''
  } finally {
    await client.end().catch(() => {})
  }
}
