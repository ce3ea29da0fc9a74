/** One line of the benchmark. */
export interface Measured {
  readonly work: string
  readonly unit: string
  /** How many of them; events are counted only if they reached the ledger. */
  readonly count: number
  readonly ms: number
  /** The bare work for the same count; null where the target is absolute. */
  readonly limitMs: number | null
  /** What the bare work is. */
  readonly limit: string
  /** Least ratio of our rate to the limit's; or an absolute bound. */
  readonly target: number | { readonly atMostMs: number } | { readonly perSecond: number }
}

export interface SizeResult {
  readonly lines: number
  readonly events: number
  readonly entities: number
  readonly results: readonly Measured[]
  /** Peak resident memory of the whole process, bytes. */
  readonly peakRss: number
  readonly databaseBytes: number
}
