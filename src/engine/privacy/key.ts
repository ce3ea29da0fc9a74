/**
 * The redaction key of a space (spec 05 §5.2): what tokens and digests are made with. It is never logged, and in no error.
 * Tokens cannot be made anew from what they stand for, so from the first request on a space keeps its key.
 */
import { randomBytes } from 'node:crypto'
import { Digests } from '../../core/privacy/digest.ts'
import { ConfigError } from '../../errors.ts'
import type { Store } from '../../ports/store.ts'

const KEY_BYTES = 32
/** Note that tells the key of the space from others, and gives nothing of it away. */
const NOTE = 'redaction_key'

/** The configured key, or one that the space makes for itself once. Another than the space was redacted with is an error. */
export async function redactionKeyOf(store: Store, configured?: string | Uint8Array): Promise<Uint8Array> {
  const { privacy } = store
  const known = await privacy.note(NOTE)
  const key = configured === undefined ? await ownKey(store) : bytesOf(configured)
  const print = fingerprint(key)
  if (known === print) return key
  const isFree = known === null || (await privacy.requests({ limit: 1 })).length === 0
  if (!isFree) throw wrongKey(configured === undefined)
  await privacy.putNote(NOTE, print)
  // Two processes that begin with different keys: one of them is told.
  if ((await privacy.note(NOTE)) !== print) throw wrongKey(configured === undefined)
  return key
}

function ownKey({ privacy }: Store): Promise<Uint8Array> {
  return privacy.secret('redaction_key', () => randomBytes(KEY_BYTES))
}

function bytesOf(key: string | Uint8Array): Uint8Array {
  return typeof key === 'string' ? new TextEncoder().encode(key) : key
}

function fingerprint(key: Uint8Array): string {
  return new Digests(key).event('fingerprint of the redaction key')
}

function wrongKey(isMissing: boolean): ConfigError {
  const problem = isMissing
    ? "this space was redacted with a key from its configuration, and none is given: name it in the option 'redactionKey', as 'redaction_key' in the configuration file"
    : "option 'redactionKey' is not the key this space was redacted with: give that one, or leave the option out where the space made its own; with another key nobody could tell whom its tokens stand for"
  return new ConfigError(problem, { code: 'E_CONFIG_REDACTION_KEY' })
}

/** The digests of a space, their key looked up once per process. */
export class SpaceDigests {
  readonly #store: Store
  readonly #configured: string | Uint8Array | undefined
  #digests: Promise<Digests> | null = null

  constructor(store: Store, configured: string | Uint8Array | undefined) {
    this.#store = store
    this.#configured = configured
  }

  async get(): Promise<Digests> {
    this.#digests ??= redactionKeyOf(this.#store, this.#configured).then((key) => new Digests(key))
    try {
      return await this.#digests
    } catch (error) {
      // The database may answer the next time.
      this.#digests = null
      throw error
    }
  }
}
