/** What a command is: data for the parser and the help, and one function. Command modules load only when they run. */
import type { Context } from './context.ts'
import type { Result } from './output.ts'

/** Values of the command's own options, by camel-case name; read them with the helpers of `options.ts`. */
export type Options = Readonly<Record<string, unknown>>

export interface OptionSpec {
  /** As commander writes it: `--as-of <time>`, `--full`, `-l, --limit <n>`. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
  /** May be given several times; the value is a list of texts. */
  readonly repeat?: boolean
}

export interface CommandSpec {
  readonly name: string
  readonly summary: string
  /** `['<source>', 'name of a source definition']`; `[x]` is optional, `<x...>` takes the rest. */
  readonly arguments?: readonly (readonly [syntax: string, description: string])[]
  readonly options?: readonly OptionSpec[]
  /** Complete command lines shown under the help. */
  readonly examples?: readonly string[]
  readonly subcommands?: readonly CommandSpec[]
  /**
   * Does the work. Returns what stdout shows (nothing if the command streamed it), throws typed errors; exit codes follow
   * from the error (spec 10 §4.5).
   */
  run?(context: Context, args: readonly string[], options: Options): Promise<Result | undefined>
}
