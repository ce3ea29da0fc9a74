/** The parser: commander set up from the catalogue, the used command in full, the others by name only. */
import { Argument, Command, CommanderError, Option } from 'commander'
import { didYouMean } from '../core/spelling.ts'
import { CATALOG } from './catalog.ts'
import type { CommandSpec, Options } from './command.ts'
import { UsageError } from './errors.ts'
import { addGlobalFlags, givenValues, peekWords } from './globals.ts'
import { packageVersion } from './version.ts'

/** What is to be run. */
export interface Invocation {
  readonly spec: CommandSpec
  readonly args: readonly string[]
  /** Values given on the command line, global flags included. */
  readonly options: Options
}

export interface ParserStreams {
  readonly out: (text: string) => void
  readonly width: number | undefined
}

/**
 * Reads an argument list. Null: nothing to run (help or version was printed). Wrong usage is a `UsageError`.
 */
export async function parseArguments(argv: readonly string[], streams: ParserStreams): Promise<Invocation | null> {
  let chosen: Invocation | null = null
  const program = new Command('defacto')
    .description('Entity engine: events in, state history out.')
    .version(packageVersion(), '--version', 'print the version')
    .enablePositionalOptions()
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    .addHelpText('after', OVERVIEW)
  prepare(program, streams)
  addGlobalFlags(program, false)

  const words = peekWords(argv)
  const wanted = words[0] === 'help' ? words[1] : words[0]
  for (const entry of CATALOG) {
    const command = program
      .command(entry.name)
      .summary(entry.summary)
      .description(entry.summary)
      .helpGroup(`${entry.group}:`)
    if (entry.name === wanted)
      define(command, await entry.load(), streams, (invocation) => {
        chosen = invocation
      })
  }

  if (wanted !== undefined && !CATALOG.some(({ name }) => name === wanted) && wanted !== 'help') {
    const names = CATALOG.map(({ name }) => name)
    throw new UsageError(`unknown command '${wanted}'${didYouMean(wanted, names)}; see \`defacto --help\``)
  }

  try {
    // `help dlq list` is `dlq list --help`: the parser's own help knows one level.
    const line = words[0] === 'help' && words.length > 1 ? [...words.slice(1), '--help'] : [...argv]
    await program.parseAsync(line, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    if (error.code === 'commander.help') {
      throw new UsageError(subcommandHint(wanted, program))
    }
    if (error.code === 'commander.excessArguments') refuseSubcommand(wanted, words[1], program)
    throw new UsageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), { cause: error })
  }
  return chosen
}

function subcommandHint(wanted: string | undefined, program: Command): string {
  const inner = program.commands.find((command) => command.name() === wanted)?.commands.map((command) => command.name())
  return inner === undefined || inner.length === 0
    ? 'no command given; see `defacto --help`'
    : `${wanted} needs one of: ${inner.join(', ')}`
}

/** A command that works alone and has others below it was given a word that is none of those. */
function refuseSubcommand(wanted: string | undefined, word: string | undefined, program: Command): void {
  const inner = program.commands.find((command) => command.name() === wanted)?.commands.map((command) => command.name())
  if (inner === undefined || inner.length === 0 || word === undefined || inner.includes(word)) return
  throw new UsageError(`unknown command '${wanted} ${word}'${didYouMean(word, inner)}; there are: ${inner.join(', ')}`)
}

function prepare(command: Command, streams: ParserStreams): void {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: streams.out,
      writeErr: () => {},
      getOutHelpWidth: () => streams.width ?? 100,
      outputError: () => {},
    })
    .configureHelp({ showGlobalOptions: false })
}

function define(command: Command, spec: CommandSpec, streams: ParserStreams, choose: (i: Invocation) => void): void {
  prepare(command, streams)
  command.description(capitalized(spec.summary)).helpOption('-h, --help', 'show help')
  for (const [syntax, description] of spec.arguments ?? []) command.addArgument(new Argument(syntax, description))
  for (const { flags, description, choices, repeat } of spec.options ?? []) {
    const option = new Option(flags, description)
    if (choices) option.choices(choices)
    if (repeat) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    command.addOption(option)
  }
  addGlobalFlags(command, true)
  if (spec.examples)
    command.addHelpText('after', `\nExamples:\n${spec.examples.map((line) => `  $ ${line}`).join('\n')}`)
  command.addHelpText('after', '\nGlobal options: defacto --help')
  for (const inner of spec.subcommands ?? []) {
    define(command.command(inner.name).summary(inner.summary), inner, streams, choose)
  }
  if (spec.run) {
    command.action((...received: unknown[]) => {
      const positional = received.slice(0, -2).flat() as (string | undefined)[]
      choose({ spec, args: positional.filter((word) => word !== undefined), options: givenValues(command) })
    })
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const OVERVIEW = `
Exit codes: 0 done, 2 usage or configuration, 3 definitions, 4 too many bad records, 5 check failed, 6 space is held,
  7 not found, 8 confirmation missing, 9 try again later, 124 timed out, 130 interrupted, 1 anything else

Examples:
  $ defacto init my-project && cd my-project
  $ defacto check
  $ defacto ingest app sample/app.ndjson --process
  $ defacto table customer
  $ defacto history customer --as-of 2024-01-10
  $ defacto query "select plan, count(*) as n from customer_history where valid_to is null group by plan" -o json`
