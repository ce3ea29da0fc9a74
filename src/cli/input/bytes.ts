/** Bytes of an input file or of standard input, unpacked, with a count of what was read. */
import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { formatOf, type TextFormat, unpackStream } from '../../input-readers.ts'
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
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      const buffer = Buffer.from(chunk as Buffer | string)
      bytes += buffer.length
      yield buffer
    }
  }
  return { chunks: unpackStream(file, counted()), read: () => bytes, size }
}

/** Format by the file's suffix; null for standard input and unknown ones (then the first byte decides). */
export function textFormatOf(file: string): TextFormat | null {
  const format = formatOf(file)
  if (format !== 'parquet') return format
  throw new UsageError(
    'parquet files cannot be read from the command line; use an input of a pipeline, or ndjson, json, csv',
  )
}
