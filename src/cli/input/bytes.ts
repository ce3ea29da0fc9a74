/** Bytes of an input file or of standard input, unpacked, with a count of what was read. */
import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { UsageError } from '../errors.ts'

export interface ByteInput {
  readonly chunks: AsyncIterable<Buffer>
  /** Bytes read so far, as stored (packed). */
  readonly read: () => number
  /** Size as stored; null where nobody knows. */
  readonly size: number | null
}

/** Fails if one of the files is not there or no file, so that a late one does not stop a load half way. */
export async function checkFiles(files: readonly string[]): Promise<void> {
  for (const file of files) if (file !== '-') await sizeOf(file)
}

async function sizeOf(file: string): Promise<number> {
  let found: Awaited<ReturnType<typeof stat>>
  try {
    found = await stat(file)
    await access(file, constants.R_OK)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw new UsageError(`${file} ${code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code}`}`)
  }
  if (found.isDirectory()) throw new UsageError(`${file} is a folder; name a file`)
  return found.size
}

/** Opens a file, or standard input for `-`; `.gz` and `.zst`, by name or by their first bytes, are unpacked. `signal` ends waiting. */
export async function openBytes(file: string, stdin: Readable, signal?: AbortSignal): Promise<ByteInput> {
  let size: number | null = null
  let source: Readable = stdin
  if (file !== '-') {
    size = await sizeOf(file)
    source = createReadStream(file, { highWaterMark: 256 * 1024 })
  }
  // Waiting for a pipe that brings nothing must end too when the command is to stop.
  signal?.addEventListener('abort', () => source.destroy(signal.reason as Error), { once: true })
  let bytes = 0
  const chunks = async function* (): AsyncGenerator<Buffer> {
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of source) {
        const buffer = Buffer.from(chunk as Buffer | string)
        bytes += buffer.length
        yield buffer
      }
    }
    const [head, all] = await peek(counted())
    yield* unpack(file, head, all)
  }
  return { chunks: chunks(), read: () => bytes, size }
}

async function peek(chunks: AsyncGenerator<Buffer>): Promise<[Buffer, AsyncGenerator<Buffer>]> {
  const first = await chunks.next()
  const head = first.done ? Buffer.alloc(0) : first.value
  const all = async function* (): AsyncGenerator<Buffer> {
    if (!first.done) yield head
    yield* chunks
  }
  return [head, all()]
}

function unpack(file: string, head: Buffer, all: AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  const gzip = head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b
  const zstd = head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528
  if (!gzip && !zstd) {
    if (/\.(gz|zst)$/.test(file) && head.length > 0) throw new UsageError(`${file} is not compressed as its name says`)
    return all
  }
  const source = Readable.from(all)
  const unpacker = gzip ? createGunzip() : createZstdDecompress()
  source.on('error', (error) => unpacker.destroy(error))
  return source.pipe(unpacker) as AsyncIterable<Buffer>
}
