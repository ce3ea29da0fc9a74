/** Reads in pages that hold no connection and no snapshot while the caller works. */

export interface Page<T, K> {
  readonly items: readonly T[]
  /** Where the next page begins; null: this one is the last. */
  readonly next: K | null
}

/** The pages behind `start` that are not empty. The next one is fetched while the caller works on the current one. */
export async function* pages<T, K>(start: K, read: (from: K) => Promise<Page<T, K>>): AsyncGenerator<T[]> {
  let coming: Promise<Page<T, K>> | null = read(start)
  try {
    while (coming !== null) {
      const { items, next }: Page<T, K> = await coming
      coming = next === null ? null : read(next)
      // A failure is reported when the page is asked for.
      coming?.catch(() => undefined)
      if (items.length > 0) yield items as T[]
    }
  } finally {
    await coming?.catch(() => undefined)
  }
}
