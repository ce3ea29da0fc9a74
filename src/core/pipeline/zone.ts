/** Local clocks of time zones, as stretches of time with one offset from UTC. */

const DAY = 86_400_000
/** No zone changed its offset and changed it back within this time. */
const STRIDE = 3 * DAY
const SECOND = 1000

/** A stretch of time, half open, in which local time is UTC plus `offset`; all in milliseconds. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly offset: number
}

export class Zone {
  readonly name: string
  /** Null: UTC. */
  readonly #format: Intl.DateTimeFormat | null

  private constructor(name: string, format: Intl.DateTimeFormat | null) {
    this.name = name
    this.#format = format
  }

  /** Null if there is no zone of this name. */
  static of(name: string): Zone | null {
    const known = zones.get(name)
    if (known !== undefined) return known
    const zone = make(name)
    if (zone !== null) zones.set(name, zone)
    return zone
  }

  static make(name: string): Zone | null {
    if (/^(utc|etc\/utc|gmt|etc\/gmt)$/i.test(name)) return new Zone(name, null)
    // Offsets such as +01:00 are no zones with a clock of their own.
    if (!/^[A-Za-z]/.test(name)) return null
    try {
      return new Zone(name, new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', { timeZone: name, ...PARTS }))
    } catch {
      return null
    }
  }

  /** Local time minus UTC at an instant. */
  offset(at: number): number {
    if (this.#format === null) return 0
    const second = Math.floor(at / SECOND) * SECOND
    // `3/29/2026, 01:59:59`: reading the text is three times as fast as asking for its parts.
    const [month = 1, day = 1, year = 0, hour = 0, minute = 0, secs = 0] =
      this.#format.format(second).match(/\d+/g)?.map(Number) ?? []
    return Date.UTC(year, month - 1, day, hour, minute, secs) - second
  }

  /** Stretches from `from` to `to`, in order and without gap. */
  *stretches(from: number, to: number): Generator<Stretch> {
    if (this.#format === null) {
      if (from < to) yield { from, to, offset: 0 }
      return
    }
    let start = from
    let offset = this.offset(from)
    for (let at = from; at < to; ) {
      const next = Math.min(at + STRIDE, to)
      const nextOffset = this.offset(next)
      for (const change of this.#changes(at, offset, next, nextOffset)) {
        yield { from: start, to: change, offset }
        start = change
        offset = this.offset(change)
      }
      // A long wait for the next change must not hold back what comes before it.
      if (next > start) yield { from: start, to: next, offset }
      start = next
      offset = nextOffset
      at = next
    }
  }

  /** Instants between two others at which the offset changes, to the second. */
  #changes(a: number, offsetA: number, b: number, offsetB: number): number[] {
    if (offsetA === offsetB) return []
    const first = Math.floor(a / SECOND)
    const last = Math.ceil(b / SECOND)
    if (last - first <= 1) return [last * SECOND]
    const middle = Math.floor((first + last) / 2) * SECOND
    const offset = this.offset(middle)
    return [
      ...this.#changes(first * SECOND, offsetA, middle, offset),
      ...this.#changes(middle, offset, last * SECOND, offsetB),
    ]
  }
}

const PARTS = {
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const
const zones = new Map<string, Zone>()
const make = (name: string): Zone | null => Zone.make(name)
