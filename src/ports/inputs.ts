/**
 * Inputs of pipelines (spec 10 §3.2–3.3): a list of parts, and their records from a position on.
 *
 * Contracts:
 * - Parts come in an order that depends on their names alone. Names and fingerprints are text of any kind; nothing but the
 *   reader looks into a fingerprint.
 * - A position is JSON of the reader's own. Reading from the position of a batch gives exactly the records behind it, in
 *   the same order, for any size of batches; the batch before is never given again. An input without an order of its own
 *   (a query without cursor) says so by giving `null`: reading begins anew, and the ledger's dedup makes that harmless.
 * - What cannot be read is a record with a `problem` and the rest goes on; a broken container is one such record for all
 *   that is behind it. Only failures of the way to the data are thrown (`StorageError`, `UnreachableError`, `ConfigError`).
 * - A part that is no longer what its fingerprint says, or is gone, throws `E_INPUT_CHANGED`; what was given before stays
 *   good.
 * - Memory holds one batch.
 */
import type { RawRecord } from '../core/event.ts'
import type { Input } from '../core/pipeline/model.ts'
import type { Json } from './runs.ts'

export interface InputPart {
  readonly part: string
  readonly fingerprint: string
  /** False: too young to be complete (`settle`); it waits for a later run. */
  readonly settled: boolean
  /** It has no end: every run opens it at its position (a query, a cursor). */
  readonly endless?: true
}

export interface InputBatch {
  /** With their origins; at most as many as asked for, fewer where they are large. */
  readonly records: readonly RawRecord[]
  /** Where the next batch begins. */
  readonly position: Json
  /** Nothing is behind this batch. An empty part is one empty batch. */
  readonly done: boolean
}

/** What the run log knows of a part from earlier. */
export interface KnownPart {
  readonly fingerprint: string
  readonly position: Json
}

export interface InputReader {
  parts(): Promise<InputPart[]>
  /** Where a new run begins: the known position while what is before it is unchanged, else `null` for the start. */
  begin(part: InputPart, known: KnownPart): Promise<Json>
  /** `position` null: from the start. Ending the loop early frees what it holds. */
  read(part: InputPart, position: Json, options: { batch: number; signal: AbortSignal }): AsyncIterable<InputBatch>
  /** Moves or deletes a part that is done (`after`); nothing where it is gone already. Never a part that has changed. */
  finish(part: Pick<InputPart, 'part' | 'fingerprint'>): Promise<void>
  close(): Promise<void>
}

/** Where parts lie: a folder, a bucket. */
export interface StoredParts {
  list(): Promise<InputPart[]>
  /** Bytes as stored, from an offset on. Throws `E_INPUT_CHANGED` if it is not what its fingerprint says. */
  open(part: InputPart, from: number, signal: AbortSignal): AsyncIterable<Buffer>
  /** As a file of this machine, for formats that are not read from front to back. */
  local(part: InputPart, signal: AbortSignal): Promise<{ readonly path: string; release(): Promise<void> }>
  /** Asked when all of it was read. */
  isUnchanged(part: InputPart): Promise<boolean>
  /** True if the part begins as it was when the fingerprint was taken. */
  continues(part: InputPart, fingerprint: string): Promise<boolean>
  finish(part: Pick<InputPart, 'part' | 'fingerprint'>): Promise<void>
  close(): Promise<void>
}

/** Readers of all kinds of inputs. */
export interface InputReaders {
  open(input: Input): InputReader
  /** One pushed batch of a source (`inbox`). */
  openInbox(batchId: string): InputReader
}
