/** Which input files were read to the end: a file that is done and unchanged is not opened again (spec 10 §3.3). */
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Failures of one kind. `reason` and `field` never hold values of a record. */
export interface FailureCount {
  readonly source: string
  readonly field: string | null
  readonly reason: string
  count: number
}

/** What reading a file gave; `read = ingested + duplicates + failed`. */
export interface PartCounts {
  readonly read: number
  readonly ingested: number
  readonly duplicates: number
  readonly failed: number
  readonly failures: readonly FailureCount[]
}

interface Mark {
  readonly size: number
  readonly modified: number
  /** Null: reading has begun and may have been interrupted. */
  readonly counts: PartCounts | null
}

interface MarksFile {
  /** The space these marks speak of; another database has read nothing. */
  readonly space: string
  readonly parts: Record<string, Mark>
}

export class Marks {
  readonly #path: string
  readonly #space: string
  readonly #parts: Map<string, Mark>

  private constructor(path: string, space: string, parts: Map<string, Mark>) {
    this.#path = path
    this.#space = space
    this.#parts = parts
  }

  static async load(state: string, space: string): Promise<Marks> {
    const path = join(state, 'sample-marks.json')
    const text = await readFile(path, 'utf8').catch(() => null)
    const file = text === null ? null : (parse(text) as MarksFile | null)
    return new Marks(path, space, new Map(file?.space === space ? Object.entries(file.parts) : []))
  }

  /** Counts of a file that was read to the end and has not changed since; undefined: it has to be read. */
  async done(file: string): Promise<PartCounts | undefined> {
    const mark = this.#parts.get(file)
    if (mark === undefined) return undefined
    const { size, mtimeMs } = await stat(file)
    return mark.counts !== null && mark.size === size && mark.modified === Math.floor(mtimeMs) ? mark.counts : undefined
  }

  /** True if reading the file was begun at some time, so that some of its records may be in the ledger. */
  begun(file: string): boolean {
    return this.#parts.has(file)
  }

  /** Before a file is read (`counts` null) and after. By renaming, so that a kill leaves the old marks or the new ones. */
  async set(file: string, counts: PartCounts | null): Promise<void> {
    const { size, mtimeMs } = await stat(file)
    this.#parts.set(file, { size, modified: Math.floor(mtimeMs), counts })
    const content: MarksFile = { space: this.#space, parts: Object.fromEntries(this.#parts) }
    await writeFile(`${this.#path}.new`, `${JSON.stringify(content)}\n`)
    await rename(`${this.#path}.new`, this.#path)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
