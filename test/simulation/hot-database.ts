/** Transactions of a database in memory: one at a time, and readers see what is committed. */
import { StorageError } from '../../src/errors.ts'
import type { Tx, Unit } from '../../src/ports/store.ts'
import type { Requests } from './faults.ts'
import { copyOf, emptyState, type HotState } from './hot-state.ts'
import type { Process } from './scheduler.ts'

interface Transaction {
  readonly tx: Tx
  readonly process: Process
  readonly state: HotState
  /** Run when it commits. */
  readonly notes: (() => void)[]
}

/** How a statement inside a transaction comes to a gate: not always, for the sake of speed. */
const GATED = 0.3

export class HotDatabase {
  readonly requests: Requests
  committed = emptyState()
  /** After every commit, with what was committed before. */
  onCommit: (process: Process, before: HotState) => void = () => {}
  #open: Transaction | null = null

  constructor(requests: Requests) {
    this.requests = requests
  }

  async transaction<T>(process: Process, work: (tx: Tx) => Promise<T>): Promise<T> {
    for (;;) {
      const own = await this.#begin(process)
      try {
        const result = await work(own.tx)
        if (await this.#commit(own)) return result
      } finally {
        if (this.#open === own) this.#open = null
      }
    }
  }

  /** A change of slots, which is a transaction of its own. */
  async slots<T>(process: Process, label: string, change: (locks: HotState['locks']) => T): Promise<T> {
    const effect = (): T => {
      const locks = new Map(this.committed.locks)
      const result = change(locks)
      this.committed = { ...this.committed, locks }
      return result
    }
    return this.requests.request(process, label, effect, () => this.#open === null)
  }

  /** A statement of the unit, or without one a read of what is committed. */
  async run<T>(process: Process, unit: Unit | null, label: string, work: (state: HotState) => T): Promise<T> {
    if (unit === null) return this.requests.request(process, label, () => work(this.committed))
    if (!process.alive || this.requests.scheduler.random.chance(GATED)) {
      await this.requests.scheduler.io(process, label, () => undefined)
    }
    const open = this.#of(unit.tx, label)
    if (!this.requests.happens('lost')) return work(open.state)
    this.#open = null
    throw this.requests.lost(label)
  }

  /** The state as the unit sees it. */
  stateIn(unit: Unit): HotState {
    return this.#of(unit.tx, 'state').state
  }

  /** Something to be told when the unit is committed, and only then. */
  onceCommitted(unit: Unit, note: () => void): void {
    this.#of(unit.tx, 'note').notes.push(note)
  }

  /** The server ends the session: what it had begun is rolled back. */
  disconnect(process: Process): void {
    if (this.#open?.process === process) this.#open = null
  }

  async #begin(process: Process): Promise<Transaction> {
    const begin = (): Transaction => {
      const own = { tx: Object.freeze({}) as Tx, process, state: copyOf(this.committed), notes: [] }
      this.#open = own
      return own
    }
    return this.requests.scheduler.io(process, 'begin', begin, () => this.#open === null)
  }

  /** False if it was rolled back in favour of another one. */
  #commit(own: Transaction): Promise<boolean> {
    return this.requests.scheduler.io(own.process, 'commit', () => {
      this.#of(own.tx, 'commit')
      this.#open = null
      if (this.requests.happens('conflict')) return false
      if (this.requests.happens('lost')) throw this.requests.lost('commit')
      const before = this.committed
      this.committed = own.state
      for (const note of own.notes) note()
      this.onCommit(own.process, before)
      if (this.requests.happens('lostAnswer')) throw this.requests.lost('commit')
      return true
    })
  }

  #of(tx: Tx, label: string): Transaction {
    if (this.#open?.tx === tx) return this.#open
    throw new StorageError(`${label}: the unit of work has ended`, {
      recoverable: true,
      details: { operation: label, driver: 'memory' },
    })
  }
}
