/**
 * Keyed digests: what stands for a value of a person once the value itself must not (spec 05 §4.3, §5.2–5.3). Whoever has the
 * value and the space's redaction key can tell that they belong together, nobody else can. Pure.
 */
import { hash } from 'node:crypto'

const ALGORITHM = 'sha256'
const BLOCK_BYTES = 64

export class Digests {
  /** The key as HMAC mixes it into both rounds (RFC 2104 §2), made once: every event of a person takes a digest. */
  readonly #inner: Buffer
  readonly #outer: Buffer

  constructor(key: Uint8Array) {
    const block = Buffer.alloc(BLOCK_BYTES)
    block.set(key.length > BLOCK_BYTES ? hash(ALGORITHM, key, 'buffer') : key)
    this.#inner = block.map((byte) => byte ^ 0x36) as Buffer
    this.#outer = block.map((byte) => byte ^ 0x5c) as Buffer
  }

  /** The `hash` treatment of a text, and the token of a hint: lower-case hex HMAC-SHA-256. */
  token(value: string): string {
    const inner = hash(ALGORITHM, Buffer.concat([this.#inner, Buffer.from(value, 'utf8')]), 'buffer')
    return hash(ALGORITHM, Buffer.concat([this.#outer, inner]), 'hex')
  }

  /** What stands for an event id in a tombstone whose event must not come back. */
  event(eventId: string): string {
    return this.token(`event\0${eventId}`)
  }
}
