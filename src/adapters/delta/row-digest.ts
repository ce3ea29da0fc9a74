/**
 * Digest of a data file: SHA-256 over its rows in order, each of its columns as byte length, colon, UTF-8 text (`-` for
 * null), so that different rows have different texts. JavaScript makes these texts from rows that are written, the
 * database makes them from the file for the check afterwards.
 */
import { createHash, hash } from 'node:crypto'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { FileFacts } from './codec.ts'
import { COLUMNS } from './columns.ts'

/** Characters of rows that are hashed at once. */
const BATCH = 65_536

export function rowDigest(row: ArchiveRow): string {
  return hash('sha256', rowText(row))
}

function rowText(row: ArchiveRow): string {
  let text = ''
  for (const { field } of COLUMNS) {
    const value = row[field]
    if (typeof value === 'string') text += `${Buffer.byteLength(value)}:${value}`
    else if (value === null) text += '-'
    else text += `${String(value).length}:${value}`
  }
  return text
}

/** Gathers what a file holds from its rows in order. */
export class FactsCollector {
  readonly #hash = createHash('sha256')
  #text = ''
  #rows = 0
  #first = 0
  #last = 0
  #firstTime: string | null = null
  #lastTime: string | null = null
  #withoutTime = 0
  #ascending = true

  /** A row without its timestamp, which is not gathered; `text` as the comment above has it. */
  addText(sequence: number, text: Uint8Array): void {
    this.#count(sequence)
    this.#hash.update(text)
  }

  addRows(rows: readonly ArchiveRow[]): void {
    for (const row of rows) {
      this.#count(row.sequence)
      this.#countTime(row.timestamp)
      this.#text += rowText(row)
      if (this.#text.length > BATCH) this.#hashText()
    }
    this.#hashText()
  }

  #hashText(): void {
    this.#hash.update(this.#text)
    this.#text = ''
  }

  #count(sequence: number): void {
    if (this.#rows === 0) this.#first = sequence
    else if (sequence <= this.#last) this.#ascending = false
    this.#rows += 1
    this.#first = Math.min(this.#first, sequence)
    this.#last = Math.max(this.#last, sequence)
  }

  #countTime(timestamp: string | null): void {
    if (timestamp === null) this.#withoutTime += 1
    else {
      if (this.#firstTime === null || timestamp < this.#firstTime) this.#firstTime = timestamp
      if (this.#lastTime === null || timestamp > this.#lastTime) this.#lastTime = timestamp
    }
  }

  get rows(): number {
    return this.#rows
  }

  get last(): number {
    return this.#last
  }

  get ascending(): boolean {
    return this.#ascending
  }

  /** Ends the gathering. */
  facts(): FileFacts {
    return {
      rows: this.#rows,
      first: this.#first,
      last: this.#last,
      firstTime: this.#firstTime,
      lastTime: this.#lastTime,
      withoutTime: this.#withoutTime,
      digest: this.#hash.digest('hex'),
    }
  }
}
