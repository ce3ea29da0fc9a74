/** Long lists in parts that one statement takes. */
const ROWS = 5000

export function* parts<T>(items: readonly T[]): Iterable<T[]> {
  for (let at = 0; at < items.length; at += ROWS) yield items.slice(at, at + ROWS)
}
