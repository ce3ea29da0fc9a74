/** Ids of runs and notifications: a letter, `_` and a UUID v7, so that they sort by time (spec 10 §2). */
import { hash, randomBytes } from 'node:crypto'

/** A new id, e.g. of a run: `r_0197…`. */
export function newId(letter: string, at: Date): string {
  return `${letter}_${uuid(at.getTime(), randomBytes(10))}`
}

/**
 * The id of what belongs to another one under a name: the same every time, so that making it twice makes it once. Sorts
 * with its parent.
 */
export function idBelow(parent: string, name: string): string {
  const [letter = '', text = ''] = parent.split('_')
  const ms = Number.parseInt(text.replaceAll('-', '').slice(0, 12), 16)
  const random = Buffer.from(hash('sha256', `${parent}/${name}`), 'hex').subarray(0, 10)
  return `${letter}_${uuid(Number.isFinite(ms) ? ms : 0, random)}`
}

/** An id that is the same for the same name and time. */
export function stableId(letter: string, ms: number, name: string): string {
  return `${letter}_${uuid(Number.isFinite(ms) ? ms : 0, Buffer.from(hash('sha256', name), 'hex').subarray(0, 10))}`
}

/** When an id was made; milliseconds since the epoch. */
export function timeOfId(id: string): number {
  return Number.parseInt((id.split('_')[1] ?? '').replaceAll('-', '').slice(0, 12), 16)
}

/** UUID v7: 48 bits of milliseconds, then version, variant and 74 free bits (RFC 9562 §5.7). */
function uuid(ms: number, random: Uint8Array): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(ms, 0, 6)
  bytes.set(random, 6)
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
