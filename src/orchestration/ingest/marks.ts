/** Marks of an input's parts: how far each is read, and what the run that reads it made of it (spec 10 §3.3). */
import { StorageError } from '../../errors.ts'
import type { InputBatch, InputPart } from '../../ports/inputs.ts'
import type { ChunkCounts } from '../../ports/operations.ts'
import type { InputMark, Json } from '../../ports/runs.ts'
import type { Job } from './job.ts'

/** What `position` of a mark holds: the reader's own position, and counters of the run that has the part. */
interface Progress {
  readonly at: Json
  readonly read: number
  readonly failed: number
}

export function progressOf(mark: InputMark): Progress {
  return mark.position as unknown as Progress
}

/** The part as the run's first chunk finds it. `at` null: from the start, its counters too. */
export function claimed(
  job: Job,
  part: InputPart,
  before: InputMark | null,
  at: Json,
  by: { readonly runId: string; readonly at: string },
): InputMark {
  const goesOn = at !== null && before !== null
  return {
    pipeline: job.pipeline,
    input: job.input,
    part: part.part,
    fingerprint: part.fingerprint,
    position: position({ at, read: 0, failed: 0 }),
    state: 'open',
    recordsRead: goesOn ? before.recordsRead : 0,
    ingested: goesOn ? before.ingested : 0,
    duplicates: goesOn ? before.duplicates : 0,
    failed: goesOn ? before.failed : 0,
    runId: by.runId,
    updatedAt: by.at,
  }
}

/** The mark behind a batch. `E_INPUT_ACCOUNTING` if a record of it is unaccounted for. */
export function readOn(mark: InputMark, batch: InputBatch, counts: ChunkCounts, at: string): InputMark {
  const { read, failed } = progressOf(mark)
  const next: InputMark = {
    ...mark,
    position: position({ at: batch.position, read: read + counts.read, failed: failed + counts.failed }),
    state: batch.done ? 'done' : 'open',
    recordsRead: mark.recordsRead + counts.read,
    ingested: mark.ingested + counts.ingested,
    duplicates: mark.duplicates + counts.duplicates,
    failed: mark.failed + counts.failed,
    updatedAt: at,
  }
  if (counts.read !== batch.records.length || !addsUp(next)) throw unaccounted(mark.input)
  return next
}

/** Nothing is lost: every record read was ingested, known already, or failed. */
export function addsUp({ recordsRead, ingested, duplicates, failed }: InputMark): boolean {
  return recordsRead === ingested + duplicates + failed
}

export function unaccounted(input: string): StorageError {
  return new StorageError(
    `records of input '${input}' are unaccounted for: read is not ingested + duplicates + failed`,
    {
      code: 'E_INPUT_ACCOUNTING',
      details: { operation: 'ingest', input },
      recoverable: false,
    },
  )
}

const position = (progress: Progress): Json => ({ ...progress })
