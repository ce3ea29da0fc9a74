/** Options of the calls of an open space (spec 09 §3). */
import type { Instant } from './core/instant.ts'
import type { BuildOptions as EngineBuildOptions } from './engine/build.ts'
import { ConfigError } from './errors.ts'
import { type InstantInput, instantOf } from './query/instants.ts'
import type { BuildProgress } from './results.ts'

export interface IngestOptions {
  /** True: interpret with the active version before returning; a text: with that version. */
  process?: boolean | string
  /** Default true: a call in which every record fails rejects with `IngestError`. */
  throwIfAllFail?: boolean
  signal?: AbortSignal
}
export interface BuildCallOptions {
  version?: string
  full?: boolean
  fromRaw?: boolean
  asOf?: InstantInput
  untilSequence?: number
  signal?: AbortSignal
  onProgress?: (progress: BuildProgress) => void
}
export interface TickOptions {
  version?: string
  asOf?: InstantInput
  dryRun?: boolean
}
export interface EngineStats {
  readonly events: number
  readonly entities: Readonly<Record<string, number>>
  readonly deadLetterErrors: number
  readonly spaceId: string
  readonly location: string
}

/** Checked options of a build as the engine takes them; `ConfigError` for values that make no sense. */
export function engineBuildOptions({ asOf, version: _, ...rest }: BuildCallOptions): EngineBuildOptions {
  const { untilSequence } = rest
  if (untilSequence !== undefined && !(Number.isSafeInteger(untilSequence) && untilSequence >= 0)) {
    throw new ConfigError("option 'untilSequence' must be a sequence of the ledger: a whole number from 0")
  }
  return { ...rest, ...(asOf === undefined ? {} : { asOf: asOfOption(asOf) }) }
}

/** The instant meant by an `asOf` option; `ConfigError` if it is none. */
export function asOfOption(value: InstantInput): Instant {
  const instant = instantOf(value)
  if (instant !== null) return instant
  throw new ConfigError(
    "option 'asOf' is no instant; use ISO 8601 text such as 2024-01-15T10:00:00Z, a date, a Date or epoch milliseconds",
    { details: { option: 'asOf' } },
  )
}
