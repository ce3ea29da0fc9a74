/** What goes wrong around the processes, by chance of the seed. */
import { StorageError } from '../../src/errors.ts'
import type { Process, Scheduler } from './scheduler.ts'

export interface FaultRates {
  /** A request has no effect: lost on its way, refused with 503, a statement on a cut connection. */
  readonly lost: number
  /** A request has its effect, but nobody learns of it. */
  readonly lostAnswer: number
  /** An upload arrives short or changed, and nobody says so. */
  readonly damaged: number
  /** The database ends a transaction in favour of another one, and the unit runs again. */
  readonly conflict: number
  /** A listing shows an earlier moment: how many changes at most it lags behind. */
  readonly staleListings: number
}

export const NO_FAULTS: FaultRates = { lost: 0, lostAnswer: 0, damaged: 0, conflict: 0, staleListings: 0 }

/** Requests of processes to what they share: one gate each, and the faults of requests. */
export class Requests {
  readonly scheduler: Scheduler
  rates: FaultRates = NO_FAULTS
  /** How often something failed. */
  failed = 0

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  async request<T>(process: Process, label: string, effect: () => T, ready?: () => boolean): Promise<T> {
    const faulty = (): T => {
      if (this.happens('lost')) throw this.lost(label)
      const result = effect()
      if (this.happens('lostAnswer')) throw this.lost(label)
      return result
    }
    return this.scheduler.io(process, label, faulty, ready)
  }

  happens(kind: 'lost' | 'lostAnswer' | 'damaged' | 'conflict'): boolean {
    const rate = this.rates[kind]
    return rate > 0 && this.scheduler.random.chance(rate)
  }

  lost(label: string): StorageError {
    this.failed += 1
    this.scheduler.trace.push(`  ${label} fails`)
    return new StorageError(`connection lost (${label})`, {
      recoverable: true,
      details: { operation: label, outcome: 'unknown' },
    })
  }
}
