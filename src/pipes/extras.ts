/** What a step's author may ask of the command: the map `defacto` of the session's `extras`, against a list (spec 10 §9). */
import { didYouMean } from '../core/spelling.ts'
import { ConfigError } from '../errors.ts'
import type { PipesContext } from './protocol.ts'

/** Options of commands that may be set from outside, by key. */
const OPTIONS: Readonly<Record<string, { readonly flag: string; readonly kind: 'text' | 'switch' }>> = {
  as_of: { flag: '--as-of', kind: 'text' },
  version: { flag: '--version', kind: 'text' },
  only: { flag: '--only', kind: 'text' },
  timeout: { flag: '--timeout', kind: 'text' },
  idempotency_key: { flag: '--idempotency-key', kind: 'text' },
  full: { flag: '--full', kind: 'switch' },
  from_raw: { flag: '--from-raw', kind: 'switch' },
}
/** Names of checks that the step declares, or `all`: the others appear as metadata. */
const CHECKS = 'checks'
const TEXT = /^[A-Za-z0-9_./][A-Za-z0-9_.:+/-]{0,127}$/

function asked(context: PipesContext | null): Readonly<Record<string, unknown>> {
  const given = context?.extras['defacto']
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || Array.isArray(given)) throw wrong("'defacto' must be a map of options")
  return given as Readonly<Record<string, unknown>>
}

/** The command with what the step asks for. A window of event time is `--from` and `--to` of a backfill. */
export function withExtras(argv: readonly string[], context: PipesContext | null): string[] {
  const flags: string[] = []
  for (const [key, value] of Object.entries(asked(context))) {
    if (key === CHECKS) continue
    const option = OPTIONS[key]
    if (option === undefined) {
      const names = [...Object.keys(OPTIONS), CHECKS]
      throw wrong(`'${key}' is not among the options that may be set: ${names.join(', ')}${didYouMean(key, names)}`)
    }
    if (isGiven(argv, option.flag)) continue
    if (option.kind === 'switch') {
      if (typeof value !== 'boolean') throw wrong(`'${key}' is true or false`)
      if (value) flags.push(option.flag)
    } else {
      const text = typeof value === 'number' ? String(value) : value
      if (typeof text !== 'string' || !TEXT.test(text)) throw wrong(`'${key}' is no text of letters, digits and _.:+/-`)
      flags.push(`${option.flag}=${text}`)
    }
  }
  const window = context?.window ?? null
  if (window !== null && argv[0] === 'backfill') {
    if (!isGiven(argv, '--from')) flags.push(`--from=${window.from}`)
    if (!isGiven(argv, '--to')) flags.push(`--to=${window.to}`)
  }
  return [...argv, ...flags]
}

/** The author's own words win over the command line's, which are theirs too and nearer. */
const isGiven = (argv: readonly string[], flag: string): boolean =>
  argv.some((word) => word === flag || word.startsWith(`${flag}=`))

export function declaredChecks(context: PipesContext | null): (name: string) => boolean {
  const checks = asked(context)[CHECKS]
  if (checks === undefined) return () => false
  if (checks === 'all') return () => true
  if (!Array.isArray(checks)) throw wrong(`'${CHECKS}' is a list of names, or all`)
  return (name) => checks.includes(name)
}

function wrong(what: string): ConfigError {
  return new ConfigError(`extras of the step: ${what}`, { code: 'E_CONFIG_PIPES' })
}
