/** How one process talks to the database in memory. */
import type { Unit } from '../../src/ports/store.ts'
import type { HotDatabase } from './hot-database.ts'
import type { HotState } from './hot-state.ts'
import type { Process } from './scheduler.ts'

export interface StreamStyle {
  /** Rows of a page if nobody says. */
  readonly chunk: number
  /** Whether a stream sees one moment, or each page its own. Databases do either. */
  readonly snapshot: boolean
}

export interface Pages<T> {
  readonly unit?: Unit | undefined
  readonly label: string
  readonly chunk?: number | undefined
  read(state: HotState): T[]
  compare(a: T, b: T): number
}

export class Connection {
  readonly database: HotDatabase
  readonly process: Process
  readonly #style: StreamStyle

  constructor(database: HotDatabase, process: Process, style: StreamStyle) {
    this.database = database
    this.process = process
    this.#style = style
  }

  run<T>(unit: Unit | null | undefined, label: string, work: (state: HotState) => T): Promise<T> {
    return this.database.run(this.process, unit ?? null, label, work)
  }

  /** What `read` gives, in the order of `compare`. A page is read when it is asked for, and goes on behind the last one. */
  async *pages<T>({ unit, label, chunk, read, compare }: Pages<T>): AsyncGenerator<T[]> {
    const limit = chunk ?? this.#style.chunk
    let first: HotState | null = null
    let last: T | undefined
    while (true) {
      const behind = last
      const page = await this.run(unit, label, (state) => {
        if (this.#style.snapshot) first ??= state
        const all = read(first ?? state).sort(compare)
        return (behind === undefined ? all : all.filter((item) => compare(item, behind) > 0)).slice(0, limit)
      })
      if (page.length > 0) yield page
      if (page.length < limit) return
      last = page.at(-1)
    }
  }
}
