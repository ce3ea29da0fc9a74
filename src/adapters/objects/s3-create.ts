/**
 * New objects in S3, never over one that is there. An answer that got lost leaves open whether the write was carried out,
 * and its repetition meets its own object: a mark in the object's metadata tells whose it is.
 */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { StorageError } from '../../errors.ts'
import type { S3Way } from './s3-client.ts'
import { isConflict, isRefusal, isTaken, wasNotSent, wasRepeated } from './s3-errors.ts'

/** Parts of uploads, of which so many are under way at a time; S3 takes 10 000 of them. */
const PART_BYTES = 8 * 1024 * 1024
const PARTS_AT_ONCE = 3
const MOST_PARTS = 10_000

const MARK = 'defacto-write'

export interface Condition {
  readonly IfNoneMatch: '*'
  readonly Metadata: Record<string, string>
}

/**
 * Carries out a conditional write.
 * @returns false if somebody else's object is there
 * @throws StorageError with `details.outcome: 'unknown'` when nobody can tell
 */
export async function createObject(
  way: S3Way,
  operation: string,
  path: string,
  write: (condition: Condition) => Promise<void>,
): Promise<boolean> {
  const mark = randomUUID()
  let inDoubt = false
  for (let attempt = 1; ; attempt++) {
    try {
      await write({ IfNoneMatch: '*', Metadata: { [MARK]: mark } })
      return true
    } catch (error) {
      inDoubt ||= wasRepeated(error) || !(isRefusal(error) || wasNotSent(error))
      if (isConflict(error) && attempt < way.attempts) {
        await pause(attempt)
        continue
      }
      if (!inDoubt) {
        if (isTaken(error)) return false
        throw way.error(error, operation, path)
      }
      const found = await markAt(way, path)
      if (found === undefined) throw way.error(error, operation, path, { outcome: 'unknown' })
      return found === mark
    }
  }
}

/** Whose object is there: a mark, or null for one without; undefined if there is none or it cannot be told. */
async function markAt(way: S3Way, path: string): Promise<string | null | undefined> {
  try {
    const { Metadata } = await way.client.send(new HeadObjectCommand(way.at(path)))
    return Metadata?.[MARK] ?? null
  } catch {
    return undefined
  }
}

/** @throws StorageError when an object is there, or not all bytes arrived */
export async function uploadFile(way: S3Way, path: string, file: string): Promise<void> {
  const size = await sizeOf(way, path, file)
  const written = await createObject(way, 'upload', path, async (condition) => {
    const body = createReadStream(file)
    try {
      const params = { ...way.at(path), ...way.encryption, ...condition, Body: body }
      const partSize = Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS))
      await new Upload({ client: way.client, params, partSize, queueSize: PARTS_AT_ONCE }).done()
    } finally {
      body.destroy()
    }
  })
  if (!written) {
    throw new StorageError(`Cannot upload '${path}' to ${way.place.location}: there is an object of this name.`, {
      details: { operation: 'upload', object: path, bucket: way.place.bucket, outcome: 'exists' },
    })
  }
  await checkStored(way, path, size)
}

async function sizeOf(way: S3Way, path: string, file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    throw way.error(error, 'upload', path)
  }
}

async function checkStored(way: S3Way, path: string, size: number): Promise<void> {
  const found = await way.client.send(new HeadObjectCommand(way.at(path))).catch((error: unknown) => {
    throw way.error(error, 'upload', path, { outcome: 'unknown' })
  })
  if (found.ContentLength === size) return
  throw new StorageError(
    `Cannot upload '${path}' to ${way.place.location}: ${found.ContentLength} bytes are stored of ${size}. Try again under another name.`,
    { details: { operation: 'upload', object: path, bucket: way.place.bucket }, recoverable: true },
  )
}

/** Waits longer each time, and never as long as others that failed at the same moment. */
export async function pause(attempt: number): Promise<void> {
  await delay(Math.random() * Math.min(10_000, 100 * 2 ** attempt))
}
