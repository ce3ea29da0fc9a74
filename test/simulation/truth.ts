/** What the ledger is supposed to hold: every row with its versions, told by the units that committed them. */
import type { ArchiveRow } from '../../src/ports/archive.ts'
import type { Scheduler } from './scheduler.ts'

interface Version {
  readonly row: ArchiveRow
  /** The step in which it was committed. */
  readonly from: number
}

export interface Span {
  readonly begin: number
  readonly end: number
}

export interface Found {
  readonly sequence: number
  readonly entityId?: string
}

export interface Expected {
  readonly name: string
  readonly span: Span
  /** Of the rows that there were in the end, those that are asked for. */
  wanted(sequence: number): boolean
  /** Whether a row as it was shows in this kind of read. */
  visible(row: ArchiveRow): boolean
  /** Once for each, the entities a row is given for; left out: one row each. */
  readonly perEntity?: (sequence: number) => readonly string[]
}

const ENTITIES = 5

export class Truth {
  readonly #scheduler: Scheduler
  readonly #versions = new Map<number, Version[]>()
  readonly #heads: { readonly head: number; readonly from: number }[] = [{ head: 0, from: 0 }]

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get head(): number {
    return this.#heads.at(-1)!.head
  }

  /** From now on the row is this one. */
  set(row: ArchiveRow): void {
    const from = this.#scheduler.step
    const versions = this.#versions.get(row.sequence)
    if (versions !== undefined) {
      versions.push({ row, from })
      return
    }
    if (row.sequence !== this.head + 1) this.#scheduler.fail(`sequence ${row.sequence} follows ${this.head}`)
    this.#versions.set(row.sequence, [{ row, from }])
    this.#heads.push({ head: row.sequence, from })
  }

  /** Rows above are lost for good. */
  lose(head: number): void {
    for (const sequence of [...this.#versions.keys()]) if (sequence > head) this.#versions.delete(sequence)
    this.#heads.push({ head, from: this.#scheduler.step })
  }

  row(sequence: number): ArchiveRow | undefined {
    return this.#versions.get(sequence)?.at(-1)?.row
  }

  /** Texts that no version since this step has. */
  dead(before: number): string[] {
    return [...this.#versions.values()].flatMap((versions) => {
      const living = new Set(
        versions.filter((_, index) => (versions[index + 1]?.from ?? Infinity) >= before).flatMap(textsOf),
      )
      return versions.flatMap(textsOf).filter((text) => !living.has(text))
    })
  }

  headAt(step: number): number {
    return this.#heads.findLast(({ from }) => from <= step)!.head
  }

  /** A read that took this span gave these rows, in its order: each as it was at some moment of the span, none missing. */
  check(found: readonly Found[], expected: Expected): void {
    const { name, span, wanted, visible, perEntity = once } = expected
    const given = new Map<string, number>()
    for (const row of found) {
      const key = keyOf(row.sequence, perEntity === once ? undefined : row.entityId)
      given.set(key, (given.get(key) ?? 0) + 1)
      if (given.get(key)! > 1) this.#fail(name, span, `gives ${key} twice`)
      if (!wanted(row.sequence) || row.sequence > this.headAt(span.end)) {
        this.#fail(name, span, `gives ${key}, which nobody asked for`)
      }
      const versions = this.#during(row.sequence, span)
      if (!versions.some((version) => visible(version.row) && agrees(row, version.row))) {
        this.#fail(name, span, `gives ${key} as it was at no moment of it: ${JSON.stringify(row)}`)
      }
    }
    for (let sequence = 1; sequence <= this.headAt(span.begin); sequence += 1) {
      if (!wanted(sequence) || !this.#during(sequence, span).every(({ row }) => visible(row))) continue
      for (const entity of perEntity(sequence)) {
        const key = keyOf(sequence, perEntity === once ? undefined : entity)
        if (!given.has(key)) this.#fail(name, span, `lacks ${key}`)
      }
    }
  }

  #during(sequence: number, { begin, end }: Span): Version[] {
    const versions = this.#versions.get(sequence) ?? []
    return versions.filter(({ from }, index) => from <= end && (versions[index + 1]?.from ?? Infinity) > begin)
  }

  #fail(name: string, { begin, end }: Span, what: string): never {
    this.#scheduler.fail(`${name} (steps ${begin} to ${end}) ${what}`)
  }
}

const textsOf = ({ row }: Version): string[] => [row.data, row.hints, row.raw].filter((text) => text !== null)

const once = (): readonly string[] => ['']
const keyOf = (sequence: number, entity: string | undefined): string =>
  entity === undefined ? `${sequence}` : `${sequence} of ${entity}`

/** Fields that a read leaves out are not compared. */
function agrees(found: object, row: ArchiveRow): boolean {
  return Object.entries(found).every(([field, value]) => {
    if (!(field in row)) return true
    return row[field as keyof ArchiveRow] === value
  })
}

/** An event concerns one entity, every fourth also another one, every seventh none. */
export function entitiesOf(sequence: number): readonly string[] {
  if (sequence % 7 === 0) return []
  const first = `entity-${sequence % ENTITIES}`
  return sequence % 4 === 0 ? [first, `entity-${(sequence + 2) % ENTITIES}`] : [first]
}

export const ALL_ENTITIES = Array.from({ length: ENTITIES }, (_, index) => `entity-${index}`)
