/**
 * Keyed digests: what stands for a value of a person once the value itself must not (spec 05 §4.3, §5.2–5.3). Whoever has the
 * value and the space's redaction key can tell that they belong together, nobody else can. Pure.
 */
import { createHmac } from 'node:crypto'

export class Digests {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** The `hash` treatment of a text, and the token of a hint: lower-case hex HMAC-SHA-256. */
  token(value: string): string {
    return createHmac('sha256', this.#key).update(value, 'utf8').digest('hex')
  }

  /** What stands for an event id in a tombstone whose event must not come back. */
  event(eventId: string): string {
    return createHmac('sha256', this.#key).update(`event\0${eventId}`, 'utf8').digest('hex')
  }
}
