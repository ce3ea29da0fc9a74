/** Numbers of a seed (mulberry32): the same on every machine, so that a seed names a run. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not give similar runs.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** At least 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** Both bounds inclusive. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!
  }
}
