/** The global flags (spec 10 §7.1): they may stand before or behind the command. */
import { type Command, Option } from 'commander'
import { UsageError } from './errors.ts'
import type { Format } from './output.ts'

interface GlobalFlag {
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
}

export const FORMATS = ['text', 'json', 'jsonl', 'csv'] as const

export const GLOBAL_FLAGS: readonly GlobalFlag[] = [
  { flags: '-p, --project <dir>', description: 'folder of the project (default: the nearest one at or above here)' },
  { flags: '--config <file>', description: 'configuration file (default: defacto.config.yaml, .ts or .js)' },
  { flags: '--profile <name>', description: 'profile of the configuration' },
  { flags: '-n, --namespace <name>', description: 'namespace of the space' },
  { flags: '--database <url>', description: 'database URL or file' },
  { flags: '-o, --output <format>', description: 'what stdout carries; csv for rows', choices: FORMATS },
  { flags: '-q, --quiet', description: 'say only what went wrong' },
  { flags: '-v, --verbose', description: 'log details; show where errors arose' },
  { flags: '--no-color', description: 'no colours' },
  { flags: '--no-pager', description: 'show long output whole instead of page by page ($PAGER)' },
  { flags: '-y, --yes', description: 'confirm everything' },
  { flags: '--no-input', description: 'never ask' },
  { flags: '--timeout <duration>', description: 'wait no longer than this, e.g. 30s, 5m (exit 124)' },
  { flags: '--engine <engine>', description: 'where runs take place', choices: ['local', 'temporal'] },
  { flags: '--local', description: 'short for --engine local' },
  { flags: '--detach', description: 'print the id of a run and do not wait for it' },
  { flags: '--worker', description: 'work the task queues in this process too' },
  { flags: '--temporal-address <address>', description: 'host and port of the Temporal server' },
  { flags: '--require-temporal', description: 'fail (exit 9) where no Temporal server is to be had' },
  { flags: '--idempotency-key <key>', description: 'the same key gives the same run' },
]

/** Adds the flags; `hidden` for subcommands, whose help only points to the overview. */
export function addGlobalFlags(command: Command, hidden: boolean): void {
  for (const { flags, description, choices } of GLOBAL_FLAGS) {
    const option = new Option(flags, description)
    if (choices) option.choices(choices)
    if (hidden) option.hideHelp()
    command.addOption(option)
  }
}

/** Flags that take a value, as they may stand in an argument list. */
export const VALUE_FLAGS: ReadonlySet<string> = new Set(
  GLOBAL_FLAGS.filter(({ flags }) => flags.includes('<')).flatMap(({ flags }) => flags.replace(/ <.*/, '').split(', ')),
)

/** Values given on the command line, the innermost command winning; defaults are left out. */
export function givenValues(command: Command): Record<string, unknown> {
  const chain: Command[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) chain.unshift(at)
  const values: Record<string, unknown> = {}
  for (const at of chain) {
    for (const [name, value] of Object.entries(at.opts())) {
      if (at.getOptionValueSource(name) !== 'default') values[name] = value
    }
  }
  return values
}

/** `-o` of an argument list that may not even parse, so that its error still comes in the wanted format. */
export function peekFormat(argv: readonly string[]): Format {
  for (const [index, word] of argv.entries()) {
    if (word === '--') break
    const value = word === '-o' || word === '--output' ? argv[index + 1] : /^(?:--output=|-o=?)(.+)$/.exec(word)?.[1]
    if (value !== undefined && (FORMATS as readonly string[]).includes(value)) return value as Format
  }
  return 'text'
}

/** The first word that is no flag and no value of a global flag; null if there is none. */
export function peekWords(argv: readonly string[]): string[] {
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string
    if (word === '--') break
    if (VALUE_FLAGS.has(word)) i += 1
    else if (!word.startsWith('-')) words.push(word)
  }
  return words
}

export function engineOf(values: Readonly<Record<string, unknown>>): string | undefined {
  const engine = values['engine'] as string | undefined
  if (values['local'] === true && engine === 'temporal')
    throw new UsageError('--local and --engine temporal exclude each other')
  return values['local'] === true ? 'local' : engine
}
