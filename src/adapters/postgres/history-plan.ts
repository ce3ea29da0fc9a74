/**
 * What a batch of writes comes to (spec 07 §6.1): the rules are applied in memory, write by write, to what is stored of
 * the entities, so that the database gets each kind of change of the whole batch at once. No SQL here.
 */
import type { EdgeRow, EntityWrite, HistoryRow } from '../../core/history.ts'

/** The newest stored row of an entity; instants as canonical text, which sorts like them. */
export interface NewestRow {
  readonly validFrom: string
  readonly validTo: string | null
  readonly generation: number
  readonly revision: number
}

/** A row to be stored. */
export interface NewRow {
  readonly write: EntityWrite
  readonly row: HistoryRow
  readonly validFrom: string
  validTo: string | null
  lastEventTime: string
}

/** What becomes of one entity. */
export class EntityPlan {
  readonly #newest: NewestRow | null
  /** Whether the stored newest row is still the open one. */
  #storedIsOpen: boolean
  /** Whether all stored rows go. */
  replaced = false
  /** When the stored open row ends; null: it does not, or there is none. */
  closedAt: string | null = null
  /** What the stored open row saw last, if it saw anything. */
  seen: string | null = null
  rows: NewRow[] = []

  constructor(newest: NewestRow | null) {
    this.#newest = newest
    this.#storedIsOpen = newest !== null && newest.validTo === null
  }

  /** False if the write is a repetition or from an earlier build, and changes nothing (rule 1). */
  apply(write: EntityWrite): boolean {
    const open = this.#open()
    const first = write.rows[0]
    if (open !== null && write.generation < open.generation) return false
    if (write.replace) {
      this.replaced ||= this.#newest !== null
      this.rows = []
      this.#forgetStored()
    } else if (first === undefined) {
      if (write.touch !== null) this.#touch(write.touch.toString())
    } else if (open !== null) {
      if (write.generation === open.generation && write.revision <= open.revision) return false
      // What the open row still saw counts before it is closed.
      if (write.touch !== null) this.#touch(write.touch.toString())
      this.#close(first.validFrom.toString(), open.validFrom)
    }
    for (const row of write.rows) {
      const validTo = row.validTo === null ? null : row.validTo.toString()
      const lastEventTime = row.lastEventTime.toString()
      this.rows.push({ write, row, validFrom: row.validFrom.toString(), validTo, lastEventTime })
    }
    return true
  }

  /** When the stored row began that is closed or touched; null: none is. */
  get changedRow(): string | null {
    return this.closedAt === null && this.seen === null ? null : (this.#newest?.validFrom ?? null)
  }

  /** Begins of stored rows whose place new ones take: the same instant, or an entity that had ended. */
  takenPlaces(): string[] {
    const newest = this.replaced ? null : this.#newest
    if (newest === null) return []
    return this.rows.map((row) => row.validFrom).filter((from) => from <= newest.validFrom)
  }

  #open(): { validFrom: string; generation: number; revision: number } | null {
    const last = this.rows.at(-1)
    if (last === undefined) return this.#storedIsOpen ? this.#newest : null
    if (last.validTo !== null) return null
    return { validFrom: last.validFrom, generation: last.write.generation, revision: last.write.revision }
  }

  #touch(at: string): void {
    const last = this.rows.at(-1)
    if (last !== undefined) {
      if (last.validTo === null && at > last.lastEventTime) last.lastEventTime = at
    } else if (this.#storedIsOpen && (this.seen === null || at > this.seen)) this.seen = at
  }

  /** A row that begins at the same instant takes the place of the open one. */
  #close(at: string, openSince: string): void {
    const last = this.rows.at(-1)
    if (last !== undefined) {
      if (at === openSince) this.rows.pop()
      else last.validTo = at
    } else if (at === openSince) this.#forgetStored()
    else {
      this.closedAt = at
      this.#storedIsOpen = false
    }
  }

  /** The stored open row goes, so what happened to it does not matter. */
  #forgetStored(): void {
    this.closedAt = null
    this.seen = null
    this.#storedIsOpen = false
  }
}

/** An edge to be stored. */
export interface NewEdge {
  readonly write: EntityWrite
  readonly edge: EdgeRow
  readonly validFrom: string
  validTo: string | null
}

/** What becomes of the edges of one relationship. */
export class EdgesPlan {
  /** Sources all of whose stored edges go. */
  readonly replaced = new Set<string>()
  /** Ends of edges that are stored open: the first counts. Those that began at that instant go. */
  readonly ended: { source: string; target: string; at: string }[] = []
  readonly #ended = new Set<string>()
  /** By source, then by target. */
  readonly #added = new Map<string, Map<string, NewEdge[]>>()

  replace(source: string): void {
    this.replaced.add(source)
    this.#added.delete(source)
  }

  end(source: string, target: string, at: string): void {
    const targets = this.#added.get(source)
    const edges = targets?.get(target)
    if (targets !== undefined && edges !== undefined) {
      const left = edges.filter((edge) => edge.validTo !== null || edge.validFrom !== at)
      for (const edge of left) edge.validTo ??= at
      targets.set(target, left)
    }
    const key = `${source}\u0000${target}`
    if (this.replaced.has(source) || this.#ended.has(key)) return
    this.#ended.add(key)
    this.ended.push({ source, target, at })
  }

  add(write: EntityWrite, edge: EdgeRow): void {
    const added: NewEdge = {
      write,
      edge,
      validFrom: edge.validFrom.toString(),
      validTo: edge.validTo === null ? null : edge.validTo.toString(),
    }
    let targets = this.#added.get(write.id)
    if (targets === undefined) {
      targets = new Map()
      this.#added.set(write.id, targets)
    }
    const before = targets.get(edge.targetId) ?? []
    // Of several that begin at one instant the last one counts.
    targets.set(edge.targetId, [...before.filter((other) => other.validFrom !== added.validFrom), added])
  }

  added(): NewEdge[] {
    return [...this.#added.values()].flatMap((targets) => [...targets.values()].flat())
  }
}
