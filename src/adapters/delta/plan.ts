/** Which files an operation touches, from their statistics alone. Pure. */
import type { ArchiveFile } from '../../ports/archive.ts'

export interface Wanted {
  readonly after: number
  readonly to: number
  /** Ascending, without repetition; null: all. */
  readonly sequences: readonly number[] | null
}

export interface Planned {
  readonly file: ArchiveFile
  /** The wanted sequences that this file may hold. */
  readonly sequences: readonly number[] | null
}

/** Files that may hold wanted rows. Without bounds a file may hold anything. */
export function prune(files: readonly ArchiveFile[], { after, to, sequences }: Wanted): Planned[] {
  return files.flatMap((file): Planned[] => {
    const { first, last } = file.sequences ?? { first: 0, last: Number.MAX_SAFE_INTEGER }
    if (last <= after || first > to || file.rows === 0) return []
    if (sequences === null) return [{ file, sequences: null }]
    const [from, end] = [
      lowerBound(sequences, Math.max(first, after + 1)),
      lowerBound(sequences, Math.min(last, to) + 1),
    ]
    return from < end ? [{ file, sequences: sequences.slice(from, end) }] : []
  })
}

/** May there be wanted rows within the bounds? */
export function holds(
  { first, last }: { readonly first: number; readonly last: number },
  { after, to, sequences }: Wanted,
): boolean {
  const [from, end] = [Math.max(first, after + 1), Math.min(last, to)]
  if (from > end) return false
  return sequences === null || (sequences[lowerBound(sequences, from)] ?? Number.POSITIVE_INFINITY) <= end
}

/** Ascending and without repetition. */
export function sortedSequences(sequences: readonly number[]): number[] {
  const sorted = Array.from(Float64Array.from(sequences).sort())
  return sorted.filter((sequence, index) => index === 0 || sequence !== sorted[index - 1])
}

/** Index of the first element that is not below `wanted`. */
export function lowerBound(sorted: readonly number[], wanted: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Groups whose ranges overlap, in order: one group read after the other gives the whole order, so only the files of one
 * group have to be sorted together. Files without bounds join everything.
 */
export function groups(planned: readonly Planned[], order: 'sequence' | 'time'): Planned[][] {
  const bounds = ({ file }: Planned) => (order === 'time' ? file.timestamps : file.sequences)
  if (planned.some((one) => bounds(one) === null)) return planned.length === 0 ? [] : [[...planned]]
  const sorted = planned.toSorted((a, b) => compare(bounds(a)!.first, bounds(b)!.first))
  const all: Planned[][] = []
  let last: string | number | null = null
  for (const one of sorted) {
    const range = bounds(one)!
    if (last === null || compare(range.first, last) > 0) all.push([one])
    else all.at(-1)!.push(one)
    if (last === null || compare(range.last, last) > 0) last = range.last
  }
  return all
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Runs of neighbouring small files worth merging; those that overlap others stay as they are. */
export function compactable(files: readonly ArchiveFile[], targetBytes: number): ArchiveFile[][] {
  const runs: ArchiveFile[][] = []
  let run: ArchiveFile[] = []
  const end = () => {
    if (run.length > 1) runs.push(run)
    run = []
  }
  let reached = 0
  for (const [index, file] of files.entries()) {
    const next = files[index + 1]
    const range = file.sequences
    const apart = range !== null && range.first > reached && (next?.sequences?.first ?? Infinity) > range.last
    reached = Math.max(reached, range?.last ?? Infinity)
    const fits = run.reduce((sum, { bytes }) => sum + bytes, file.bytes) <= targetBytes
    if (!apart || !fits) end()
    if (apart && file.bytes <= targetBytes / 2) run.push(file)
    else end()
  }
  end()
  return runs
}
