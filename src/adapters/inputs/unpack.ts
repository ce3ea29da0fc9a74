/** Bytes of a part from a place on, unpacked: places count what comes out of the packing. */
import { pipeline, Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { UnreadableInput } from './record.ts'

/** Opens the bytes as stored, from an offset on. */
export type OpenBytes = (from: number) => AsyncIterable<Buffer>

/**
 * The unpacked bytes from `byte` on; plain parts are opened there, others read up to it. `wide`: an encoding of two bytes
 * a character, which becomes UTF-8.
 */
export async function* unpackedFrom(
  open: OpenBytes,
  name: string,
  byte: number,
  wide: string | null = null,
): AsyncGenerator<Buffer> {
  await using stored = await peek(open(0))
  if (byte > 0 && packingOf(stored.head) === null && wide === null) {
    yield* open(byte)
    return
  }
  const plain = unpack(name, stored)
  yield* skip(wide === null ? plain : narrowed(plain, wide), byte)
}

/** All bytes of a stream that can be read but once. */
export async function* unpackStream(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  await using stored = await peek(chunks)
  yield* unpack(name, stored)
}

interface Stored extends AsyncDisposable {
  /** At least four bytes, if there are so many. */
  readonly head: Buffer
  /** All bytes, the head among them. */
  readonly all: AsyncIterable<Buffer>
}

async function peek(chunks: AsyncIterable<Buffer>): Promise<Stored> {
  const iterator = chunks[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let ended = false
  while (head.length < 4 && !ended) {
    const next = await iterator.next()
    ended = next.done === true
    if (!next.done) head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head
    while (!ended) {
      const next = await iterator.next()
      if (next.done) return
      yield next.value
    }
  }
  const close = async (): Promise<void> => {
    await iterator.return?.()
  }
  return { head, all: all(), [Symbol.asyncDispose]: close }
}

function packingOf(head: Buffer): 'gzip' | 'zstd' | null {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip'
  return head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : null
}

function unpack(name: string, { head, all }: Stored): AsyncIterable<Buffer> {
  const packing = packingOf(head)
  if (packing === null) {
    if (!/\.(gz|zst)$/i.test(name) || head.length === 0) return all
    const reason = 'it is not compressed as its name says'
    throw new UnreadableInput(`${name} is not compressed as its name says`, reason)
  }
  const unpacker = packing === 'gzip' ? createGunzip() : createZstdDecompress()
  // The loop over the unpacker gets the error of either.
  pipeline(Readable.from(all), unpacker, () => {})
  return unpacker as AsyncIterable<Buffer>
}

async function* skip(chunks: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of chunks) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}

async function* narrowed(chunks: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding)
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }))
  const rest = decoder.decode()
  if (rest !== '') yield Buffer.from(rest)
}
