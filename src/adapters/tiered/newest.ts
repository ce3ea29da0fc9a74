/** The newest archived event of a source, for its freshness (spec 10 §3.8): the latest files are read, and once. */
import { compareTime, instantFromText } from '../../core/instant.ts'
import type { ArchiveFile, ArchiveSnapshot } from '../../ports/archive.ts'
import type { ColdRows } from './cold-rows.ts'

export class ColdNewest {
  readonly #cold: ColdRows
  /** Answers for one version of the table; it holds the same for ever. */
  #version = -1
  readonly #known = new Map<string, string | null>()

  constructor(cold: ColdRows) {
    this.#cold = cold
  }

  async of(source: string): Promise<string | null> {
    const { archive, snapshot } = await this.#cold.current()
    if (snapshot === undefined) return null
    if (snapshot.version !== this.#version) this.#known.clear()
    this.#version = snapshot.version
    const known = this.#known.get(source)
    if (known !== undefined) return known
    let newest: string | null = null
    for (const file of latestFirst(snapshot)) {
      // The others end before it.
      if (file.timestamps !== null && glance(newest) > glance(file.timestamps.last)) break
      const range = file.sequences === null ? {} : { after: file.sequences.first - 1, to: file.sequences.last }
      for await (const rows of archive.scan({ ...range, columns: ['timestamp', 'source'], snapshot })) {
        for (const row of rows) {
          // Most rows are seconds older at a glance.
          if (row.source !== source || row.timestamp === null || glance(row.timestamp) < glance(newest)) continue
          newest = laterText(newest, row.timestamp)
        }
      }
    }
    if (snapshot.version === this.#version) this.#known.set(source, newest)
    return newest
  }
}

/** Files of unknown bounds first: they may hold anything. */
function latestFirst({ files }: ArchiveSnapshot): ArchiveFile[] {
  const last = (file: ArchiveFile): string => file.timestamps?.last ?? '\uffff'
  return files.toSorted((a, b) => (last(a) < last(b) ? 1 : last(a) > last(b) ? -1 : 0))
}

/** Up to the second, which sorts whatever follows it. */
const glance = (text: string | null): string => text?.slice(0, 19) ?? ''

/** The later of two instants as text. */
export function laterText(a: string | null, b: string | null): string | null {
  const [first, second] = [a, b].map((text) => (text === null ? null : instantFromText(text)))
  if (first == null) return b
  return second == null || compareTime(first, second) >= 0 ? a : b
}
