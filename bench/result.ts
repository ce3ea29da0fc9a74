/** Time by the clock, and processor time of all threads of the process: on a busy machine the second one is steadier. */
export interface Cost {
  readonly ms: number
  readonly cpu: number
}

/** One line of the benchmark. */
export interface Measured {
  readonly work: string
  readonly unit: string
  /** How many of them; events are counted only if they reached the ledger. */
  readonly count: number
  readonly ours: Cost
  /** The bare work for the same count; null where the target is absolute. */
  readonly limit: Cost | null
  /** What the bare work is. */
  readonly limitName: string
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

/** Adds up what several pieces of one work cost. */
export class Stopwatch {
  #ms = 0
  #cpu = 0

  get cost(): Cost {
    return { ms: this.#ms, cpu: this.#cpu }
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const stop = this.#start()
    const result = await work()
    stop()
    return result
  }

  runNow<T>(work: () => T): T {
    const stop = this.#start()
    const result = work()
    stop()
    return result
  }

  #start(): () => void {
    const at = performance.now()
    const before = process.cpuUsage()
    return () => {
      const used = process.cpuUsage(before)
      this.#ms += performance.now() - at
      this.#cpu += (used.user + used.system) / 1000
    }
  }
}

/** The same work for a share of the count. */
export function share(cost: Cost, part: number): Cost {
  return { ms: cost.ms * part, cpu: cost.cpu * part }
}
