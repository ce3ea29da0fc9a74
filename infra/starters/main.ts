/**
 * Starts a component and prints where it is; Ctrl-C stops it. With a command, runs that beside it and stops both.
 *
 *   npm run postgres
 *   npm run postgres -- --data ~/defacto-postgres --port 5433
 *   npm run postgres -- -- npm test
 *   npm run s3
 *   npm run temporal
 *   npm run neo4j
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { StarterError } from './host.ts'
import { findPostgres, type PostgresOptions } from './postgres.ts'
import { findS3 } from './s3.ts'
import { testServer } from './temporal-test-server.ts'

const USAGE = `usage: npm run postgres -- [options] [-- command…]
       npm run s3 -- [--port N] [-- command…]
       npm run temporal -- [--data FILE] [--port N] [--install] [-- command…]
       npm run neo4j -- [--data DIR] [--port N] [--set NAME=VALUE] [-- command…]

  --data DIR        keep the data there; without it they go when the server stops
  --port N          default: a free one
  --version N       major version; default: the newest of this machine
  --set NAME=VALUE  a setting of the server; may be repeated
  --install         only fetch or build what is needed, and end
  -- command…       run it with DATABASE_URL, AWS_ENDPOINT_URL_S3, TEMPORAL_ADDRESS or
                    DEFACTO_NEO4J_URL set, then stop

A running server can be named in DEFACTO_POSTGRES_URL, DEFACTO_S3_ENDPOINT, TEMPORAL_ADDRESS or
DEFACTO_NEO4J_URL; then none is started.
`

function usageError(message: string): never {
  process.stderr.write(`${message}\n\n${USAGE}`)
  process.exit(2)
}

function wholeNumber(text: string | undefined, name: string): number | undefined {
  if (text !== undefined && !/^\d{1,5}$/.test(text)) usageError(`--${name} takes a whole number`)
  return text === undefined ? undefined : Number(text)
}

const COMPONENTS = ['postgres', 's3', 'temporal', 'neo4j'] as const
type Component = (typeof COMPONENTS)[number]

interface Arguments {
  readonly component: Component
  readonly install: boolean
  readonly options: PostgresOptions
  readonly command: string[]
}

function readArguments(): Arguments {
  try {
    const { values, positionals } = parseArgs({
      options: {
        data: { type: 'string' },
        port: { type: 'string' },
        version: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        install: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    })
    const [first, ...command] = positionals
    const component = COMPONENTS.find((name) => name === first)
    if (values.help || component === undefined) {
      process.stdout.write(USAGE)
      process.exit(values.help ? 0 : 2)
    }
    if (component === 's3' && (values.data ?? values.version ?? values.set[0]) !== undefined) {
      usageError('s3 keeps nothing and takes no --data, --version or --set')
    }
    if (component === 'temporal' && (values.version ?? values.set[0]) !== undefined) {
      usageError('temporal takes no --version and no --set')
    }
    if (component === 'neo4j' && values.version !== undefined) usageError('--version is for postgres alone')
    if (values.install && component !== 'temporal') usageError('--install is for temporal alone')
    const settings = values.set.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) usageError(`--set takes NAME=VALUE, not '${text}'`)
      return [text.slice(0, at), text.slice(at + 1)]
    })
    const options = {
      data: values.data,
      port: wholeNumber(values.port, 'port'),
      version: wholeNumber(values.version, 'version'),
      // Data somebody keeps are worth the wait for the disk.
      durable: values.data !== undefined,
      settings: Object.fromEntries(settings),
    }
    return { component, options, command, install: values.install }
  } catch (error) {
    return usageError((error as Error).message)
  }
}

interface Started {
  readonly name: string
  readonly url: string
  /** For a command that runs beside it. */
  readonly environment: NodeJS.ProcessEnv
  stop(): Promise<void>
}

async function startComponent({ component, options }: Arguments): Promise<Started> {
  if (component === 'postgres') {
    const server = await findPostgres(options)
    const name = `PostgreSQL ${server.version}`
    return { name, url: server.url, environment: { DATABASE_URL: server.url }, stop: () => server.stop() }
  }
  if (component === 'temporal') {
    const { data, port } = options
    // Its library takes a second to load.
    const { findTemporalServer } = await import('./temporal.ts')
    const server = await findTemporalServer({ ...(data ? { data } : {}), ...(port ? { port } : {}) })
    const environment = { TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: server.namespace }
    return { name: server.name, url: server.address, environment, stop: () => server.stop() }
  }
  if (component === 'neo4j') {
    const { data, port, settings } = options
    const { findNeo4j } = await import('./neo4j.ts')
    const server = await findNeo4j({ settings, ...(data ? { data } : {}), ...(port ? { port } : {}) })
    return {
      name: server.name,
      url: server.url,
      environment: { DEFACTO_NEO4J_URL: server.url },
      stop: () => server.stop(),
    }
  }
  const server = await findS3(options)
  const environment = { DEFACTO_S3_ENDPOINT: server.endpoint, AWS_ENDPOINT_URL_S3: server.endpoint }
  return { name: server.name, url: server.endpoint, environment, stop: () => server.stop() }
}

/** Resolves when somebody wants this to end. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const waiting = setInterval(() => {}, 1 << 30)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        clearInterval(waiting)
        resolve()
      })
    }
  })
}

/** Exit code of the command. Ctrl-C at a terminal reaches it as well, and it decides what follows. */
async function runBeside(environment: NodeJS.ProcessEnv, [program = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal)
    })
  }
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

/** What takes minutes may be done ahead, beside other things. */
async function install(): Promise<void> {
  const { temporalExecutable } = await import('./temporal.ts')
  const { how } = await temporalExecutable()
  process.stderr.write(`${how}\n`)
  await testServer()
}

const wanted = readArguments()
const { command } = wanted
try {
  if (wanted.install) {
    await install()
    process.exit(0)
  }
  const server = await startComponent(wanted)
  process.stderr.write(`${server.name} answers.${command.length > 0 ? '' : ' Ctrl-C stops it.'}\n`)
  try {
    if (command.length > 0) process.exitCode = await runBeside(server.environment, command)
    else {
      process.stdout.write(`${server.url}\n`)
      await interrupted()
    }
  } finally {
    await server.stop()
  }
} catch (error) {
  const missing = (error as { code?: string }).code === 'ENOENT' ? `There is no command '${command[0]}'.` : null
  if (missing === null && !(error instanceof StarterError)) throw error
  process.stderr.write(`${missing ?? (error as Error).message}\n`)
  process.exitCode = 1
}
