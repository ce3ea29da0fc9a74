/**
 * Time by the clock, and processor time of all threads of the process and of the database server, in milliseconds: on a
 * busy machine the second one is steadier.
 */
export interface Cost {
  readonly ms: number
  /** Of the process and of the server together. */
  readonly cpu: number
  /** Of the server alone; 0 where the store has none, or none on this machine. */
  readonly server: number
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
  /** Least ratio of our rate to the limit's, or an absolute bound; null: only to be known. */
  readonly target: number | { readonly atMostMs: number } | { readonly perSecond: number } | null
}

export interface SizeResult {
  readonly store: string
  readonly lines: number
  readonly events: number
  readonly entities: number
  readonly results: readonly Measured[]
  /** Peak resident memory of the whole process, without the server's, bytes. */
  readonly peakRss: number
  readonly databaseBytes: number
}

/** Processor milliseconds the database server has used so far. */
export type ServerClock = () => number

/** Adds up what several pieces of one work cost. */
export class Stopwatch {
  readonly #server: ServerClock
  #ms = 0
  #cpu = 0
  #serverCpu = 0

  constructor(server: ServerClock = () => 0) {
    this.#server = server
  }

  get cost(): Cost {
    return { ms: this.#ms, cpu: this.#cpu + this.#serverCpu, server: this.#serverCpu }
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

  /** What reading the server's clock costs is outside of what is measured. */
  #start(): () => void {
    const serverBefore = this.#server()
    const before = process.cpuUsage()
    const at = performance.now()
    return () => {
      this.#ms += performance.now() - at
      const used = process.cpuUsage(before)
      this.#cpu += (used.user + used.system) / 1000
      this.#serverCpu += this.#server() - serverBefore
    }
  }
}

/** The same work for a share of the count. */
export function share({ ms, cpu, server }: Cost, part: number): Cost {
  return { ms: ms * part, cpu: cpu * part, server: server * part }
}
