/** A binary min-heap; equal keys come out in the order they went in, so that output never depends on luck. */
interface Entry<T> {
  readonly key: number
  readonly order: number
  readonly item: T
}

export class Heap<T> {
  readonly #entries: Entry<T>[] = []
  #order = 0

  get size(): number {
    return this.#entries.length
  }

  /** Smallest key, or Infinity when empty. */
  get first(): number {
    return this.#entries[0]?.key ?? Number.POSITIVE_INFINITY
  }

  push(key: number, item: T): void {
    const entries = this.#entries
    const entry: Entry<T> = { key, order: this.#order++, item }
    let at = entries.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = entries[parent] as Entry<T>
      if (before(above, entry)) break
      entries[at] = above
      at = parent
    }
    entries[at] = entry
  }

  pop(): T | undefined {
    const entries = this.#entries
    const top = entries[0]
    const last = entries.pop()
    if (top === undefined || last === undefined) return undefined
    if (entries.length > 0) this.#sink(last)
    return top.item
  }

  #sink(entry: Entry<T>): void {
    const entries = this.#entries
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      const right = child + 1
      if (right < entries.length && before(entries[right] as Entry<T>, entries[child] as Entry<T>)) child = right
      const below = entries[child] as Entry<T>
      if (before(entry, below)) break
      entries[at] = below
      at = child
    }
    entries[at] = entry
  }
}

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.key < b.key || (a.key === b.key && a.order < b.order)
}
