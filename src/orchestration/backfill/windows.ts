/** Windows of a backfill: half-open intervals of time (spec 10 §1, §7.1). Pure. */
import { parseDurationText } from '../../core/instant.ts'
import { ConfigError } from '../../errors.ts'
import type { Json, RunRow } from '../../ports/runs.ts'
import { inputOf } from '../pinned.ts'
import { instant, plusMs } from '../time.ts'

export interface Window {
  readonly from: string
  readonly to: string
}

export interface BackfillSpec {
  readonly op: 'ingest' | 'build' | 'tick'
  /** Pipeline whose inputs are read; for `ingest`. */
  readonly pipeline?: string
  /** One of its inputs; default: all that have a window. */
  readonly input?: string
  readonly from: string
  readonly to: string
  /** Length of a window, e.g. `1d`; default: the whole interval. */
  readonly window?: string
  /** The last window first. */
  readonly reverse?: boolean
  /** `missing`: those that no backfill has done; `failed`: those whose last attempt failed; default `all`. */
  readonly only?: 'missing' | 'failed' | 'all'
  readonly version?: string
}

const MOST_WINDOWS = 10_000

/** All windows of a specification in the order in which they are worked through. */
export function allWindows(spec: Pick<BackfillSpec, 'from' | 'to' | 'window' | 'reverse'>): readonly Window[] {
  const from = instant(spec.from, 'from')
  const to = instant(spec.to, 'to')
  if (from.toString() >= to.toString()) throw new ConfigError("'from' of a backfill has to be before 'to'")
  const length = spec.window === undefined ? to.ms - from.ms + 1 : (parseDurationText(spec.window)?.ms ?? 0)
  if (length <= 0) throw new ConfigError("'window' of a backfill is a duration such as 1d, 12h or 30m")
  if ((to.ms - from.ms) / length > MOST_WINDOWS) {
    throw new ConfigError(`a backfill has at most ${MOST_WINDOWS} windows; take longer ones or a shorter interval`)
  }
  const windows: Window[] = []
  for (let start = from; start.toString() < to.toString(); start = plusMs(start, length)) {
    const end = plusMs(start, length).toString()
    windows.push({ from: start.toString(), to: end < to.toString() ? end : to.toString() })
  }
  return spec.reverse === true ? windows.reverse() : windows
}

/** Windows of a backfill run: those it was given, else all of its interval. */
export function windowsOf(run: Pick<RunRow, 'input'>): readonly Window[] {
  const { windows, from, to, window, reverse } = inputOf(run)
  if (Array.isArray(windows)) {
    return windows.map((pair) => ({ from: String((pair as Json[])[0]), to: String((pair as Json[])[1]) }))
  }
  return allWindows({
    from: String(from),
    to: String(to),
    ...(typeof window === 'string' ? { window } : {}),
    reverse: reverse === true,
  })
}
