/** One run of the command line: streams, signals and the exit code; everything else is behind `parseArguments`. */
import { parseDurationText } from '../core/instant.ts'
import { StorageError } from '../errors.ts'
import { exitCodeOf, Interrupted, TimeoutError, UsageError } from './errors.ts'
import { peekFormat } from './globals.ts'
import { type Output, outputFor } from './output.ts'
import { type Invocation, parseArguments } from './program.ts'
import { notWritable } from './write.ts'

/** After a request to stop, work may go on to the end of its chunk; longer than this it is left behind. */
const GRACE_MS = 10_000

async function main(argv: readonly string[]): Promise<number> {
  let output = outputFor({
    output: peekFormat(argv),
    color: argv.includes('--no-color') ? false : undefined,
    verbose: argv.includes('-v') || argv.includes('--verbose'),
  })
  let help = ''
  try {
    const invocation = await parseArguments(argv, {
      out: (text) => {
        help += text
      },
      width: output.width ?? undefined,
    })
    if (help !== '') await output.write(help)
    if (invocation === null) return 0
    output = outputFor(invocation.options)
    return await execute(invocation, output)
  } catch (error) {
    await output.error(error)
    return exitCodeOf(error)
  }
}

async function execute(invocation: Invocation, output: Output): Promise<number> {
  const stop = stopSignal(invocation.options)
  const { contextOf, runCommand } = await import('./execute.ts')
  const context = contextOf(invocation.options, { output, signal: stop.signal, takeTime: stop.takeTime })
  try {
    await runCommand(context, invocation)
    return 0
  } catch (error) {
    // Whatever a driver makes of an aborted call, the reason is what the user asked for.
    throw stop.signal.aborted && exitCodeOf(error) === 1 ? stop.signal.reason : error
  } finally {
    stop.done()
    await context.close()
  }
}

/** Ctrl-C, SIGTERM and `--timeout` as one signal; a second Ctrl-C ends at once. */
function stopSignal(options: Readonly<Record<string, unknown>>): {
  signal: AbortSignal
  done: () => void
  takeTime: (ms: number | null) => void
} {
  const controller = new AbortController()
  let grace: number | null = GRACE_MS
  let forced: NodeJS.Timeout | undefined
  const stop = (reason: Error): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf(reason))
    controller.abort(reason)
    limit(reason)
  }
  const limit = (reason: Error): void => {
    clearTimeout(forced)
    if (grace !== null) forced = setTimeout(() => process.exit(exitCodeOf(reason)), grace).unref()
  }
  const onSignal = (): void => stop(new Interrupted('interrupted'))
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  let timer: NodeJS.Timeout | undefined
  if (options['timeout'] !== undefined) {
    const limit = parseDurationText(String(options['timeout']))
    if (limit === null || limit.ms <= 0) throw new UsageError('--timeout takes a duration like 30s, 5m or 2h')
    timer = setTimeout(
      () => stop(new TimeoutError(`not done after ${String(options['timeout'])}`)),
      Math.min(limit.ms, 2 ** 31 - 1),
    )
  }
  return {
    signal: controller.signal,
    takeTime: (ms) => {
      grace = ms
      if (controller.signal.aborted) limit(controller.signal.reason as Error)
    },
    done: () => {
      clearTimeout(timer)
      clearTimeout(forced)
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}

// A reader that has seen enough (`defacto table x | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  const failure = notWritable('standard output', error)
  process.stderr.write(`error E_STORAGE ${failure.message}; what was written is not complete\n`)
  process.exit(failure instanceof StorageError ? exitCodeOf(failure) : 1)
})
process.stderr.on('error', () => {})

const code = await main(process.argv.slice(2))
process.exitCode = code
// Standard input may still be open; what was written goes out first.
process.stdout.write('', () => process.exit(code))
