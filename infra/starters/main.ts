/**
 * Starts a component and prints where it is; Ctrl-C stops it. With a command, runs that beside it and stops both.
 *
 *   npm run postgres
 *   npm run postgres -- --data ~/defacto-postgres --port 5433
 *   npm run postgres -- -- npm test
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { StarterError } from './host.ts'
import { findPostgres, type PostgresOptions } from './postgres.ts'

const USAGE = `usage: npm run postgres -- [options] [-- command…]

  --data DIR        keep the data in DIR; without it they go when the server stops
  --port N          default: a free one
  --version N       major version; default: the newest of this machine
  --set NAME=VALUE  a setting of the server; may be repeated
  -- command…       run it with DATABASE_URL set, then stop

A running server can be named in DEFACTO_POSTGRES_URL; then none is started.
`

function usageError(message: string): never {
  process.stderr.write(`${message}\n\n${USAGE}`)
  process.exit(2)
}

function wholeNumber(text: string | undefined, name: string): number | undefined {
  if (text !== undefined && !/^\d{1,5}$/.test(text)) usageError(`--${name} takes a whole number`)
  return text === undefined ? undefined : Number(text)
}

function readArguments(): { options: PostgresOptions; command: string[] } {
  try {
    const { values, positionals } = parseArgs({
      options: {
        data: { type: 'string' },
        port: { type: 'string' },
        version: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    })
    const [component, ...command] = positionals
    if (values.help || component !== 'postgres') {
      process.stdout.write(USAGE)
      process.exit(values.help ? 0 : 2)
    }
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
    return { options, command }
  } catch (error) {
    return usageError((error as Error).message)
  }
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
async function runBeside(url: string, [program = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, DATABASE_URL: url } })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal)
    })
  }
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

const { options, command } = readArguments()
try {
  const server = await findPostgres(options)
  process.stderr.write(`PostgreSQL ${server.version} answers.${command.length > 0 ? '' : ' Ctrl-C stops it.'}\n`)
  try {
    if (command.length > 0) process.exitCode = await runBeside(server.url, command)
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
