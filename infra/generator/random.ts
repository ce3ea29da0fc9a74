/** Seeded pseudo-random numbers: same seed, same data, on every machine. Integers only, so no rounding can differ. */

/** SplitMix32: spreads a seed over the state. */
function* splitMix(seed: number): Generator<number, never> {
  let state = seed | 0
  for (;;) {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    yield z ^ (z >>> 15)
  }
}

/** sfc32, a small generator with a long period. `stream` gives independent sequences under one seed. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, stream = 0) {
    const mix = splitMix(Math.imul(seed | 0, 0x85ebca6b) ^ stream)
    this.#a = mix.next().value
    this.#b = mix.next().value
    this.#c = mix.next().value
    for (let i = 0; i < 12; i++) this.next()
  }

  /** 0 … 2³²−1. */
  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** A whole number from `low` to `high`, both included; the range stays far below 2³². */
  int(low: number, high: number): number {
    return low + (this.next() % (high - low + 1))
  }

  /** True in `percent` of 100 cases; two decimals count. */
  chance(percent: number): boolean {
    return this.next() % 10_000 < percent * 100
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.next() % items.length]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
}
