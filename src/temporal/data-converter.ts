/** Everything that the server stores, encrypted (spec 10 §4.7): AES-256-GCM, the key's id beside it. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type DataConverter, METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common'
import { decode, encode } from '@temporalio/common/lib/encoding.js'
import { ConfigError } from '../errors.ts'

export interface CodecKey {
  /** Stored in clear beside what it encrypts. */
  readonly id: string
  /** 32 bytes, as 64 hex digits or in Base64. */
  readonly key: string
}

const ENCODING = 'binary/encrypted'
const IV_BYTES = 12
const TAG_BYTES = 16
const KEY_ID = 'encryption-key-id'

/** Client and worker need the same keys. The first one encrypts, all decrypt. */
export function defactoDataConverter(keys: readonly CodecKey[]): DataConverter {
  return { payloadCodecs: [new EncryptionCodec(keys)], failureConverterPath: FAILURE_CONVERTER }
}

/** Messages and stack traces of failures become payloads too. Workflows have it in their bundle. */
export const FAILURE_CONVERTER = join(
  import.meta.dirname,
  `failure-converter${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
)

export class EncryptionCodec implements PayloadCodec {
  readonly #keys: ReadonlyMap<string, Buffer>
  readonly #first: string

  constructor(keys: readonly CodecKey[]) {
    const [first] = keys
    if (first === undefined) throw new ConfigError('temporal.codec names no key; give at least one {id, key}')
    this.#first = first.id
    this.#keys = new Map(keys.map(({ id, key }) => [id, keyBytes(id, key)]))
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const key = this.#keys.get(this.#first) as Buffer
    return payloads.map((payload) => {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      // The key's id is bound to it, so that nobody can claim another one.
      cipher.setAAD(Buffer.from(this.#first))
      const plain = pack(payload)
      const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
      return { metadata: { [METADATA_ENCODING_KEY]: encode(ENCODING), [KEY_ID]: encode(this.#first) }, data }
    })
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => this.#decodeOne(payload))
  }

  /** What was written before there were keys is read as it is. */
  #decodeOne(payload: Payload): Payload {
    const { metadata, data } = payload
    const encoding = metadata?.[METADATA_ENCODING_KEY]
    if (!encoding || decode(encoding) !== ENCODING || !data) return payload
    const id = metadata[KEY_ID] ? decode(metadata[KEY_ID]) : ''
    const key = this.#keys.get(id)
    if (key === undefined) {
      const told = /^[\w.:/-]{1,64}$/.test(id) ? `'${id}'` : 'of an unknown id'
      throw new ConfigError(`the key ${told} of temporal.codec is missing; add it after the first one`)
    }
    const bytes = Buffer.from(data)
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES))
    decipher.setAAD(Buffer.from(id))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      const plain = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()])
      return unpack(plain)
    } catch (cause) {
      throw new ConfigError(`the key '${id}' of temporal.codec is not the one this was encrypted with`, { cause })
    }
  }
}

function keyBytes(id: string, key: string): Buffer {
  if (!/^[\w.-]{1,64}$/.test(id)) {
    throw new ConfigError('ids of temporal.codec keys have 1 to 64 letters, digits, and . _ -')
  }
  const bytes = /^[0-9a-f]{64}$/i.test(key) ? Buffer.from(key, 'hex') : Buffer.from(key, 'base64')
  if (bytes.length === 32) return bytes
  throw new ConfigError(
    `the key '${id}' of temporal.codec has ${bytes.length} bytes of 32; make one with: openssl rand -base64 32`,
  )
}

/** Length of the metadata, the metadata, the data. */
function pack({ metadata, data }: Payload): Buffer {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')])
  const head = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  return Buffer.concat([length, head, data ?? Buffer.alloc(0)])
}

function unpack(plain: Buffer): Payload {
  const end = 4 + plain.readUInt32BE(0)
  const head = JSON.parse(plain.toString('utf8', 4, end)) as Record<string, string>
  const metadata = Object.fromEntries(Object.entries(head).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  return { metadata, data: plain.subarray(end) }
}
