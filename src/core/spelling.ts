/** The one closest-spelling helper behind every "did you mean". Pure. */

/** Longest word that is compared; longer ones are never typos of a name. */
const LONGEST = 64

/**
 * The candidate that `word` most likely meant: equal but for case, else at most a third of its letters away
 * (insertions, deletions, replacements, swaps of neighbours). Null if nothing is close. Ties go to the first candidate.
 */
export function closest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase()
  const limit = Math.max(1, Math.floor(wanted.length / 3))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    if (candidate === word) continue
    const other = candidate.toLowerCase()
    if (other === wanted) return candidate
    if (wanted.length > LONGEST || Math.abs(other.length - wanted.length) >= bestDistance) continue
    const d = distance(wanted, other)
    if (d < bestDistance && d < Math.max(wanted.length, other.length)) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}

/** ` (did you mean 'x'?)`, or the empty text when nothing is close; to be put behind a message. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = closest(word, candidates)
  return found === null ? '' : ` (did you mean '${found}'?)`
}

/** Optimal string alignment distance: edits and swaps of neighbours. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1)
      next.push(cost)
    }
    before = row
    row = next
  }
  return row[b.length]!
}
