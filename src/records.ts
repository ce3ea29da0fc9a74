/** Records as callers hand them in: plain objects, or `RawRecord`s that carry their text and place. */
import type { RawRecord } from './core/event.ts'
import { ConfigError } from './errors.ts'

/** What a source system sent: any JSON value; records that are no objects become failures. */
export type RawEvent = unknown

/** A record read from a file or stream, with its text (kept as the ledger's `raw`) and where it stands. */
export class SourceRecord implements RawRecord {
  readonly value: unknown
  readonly text?: string
  readonly origin?: RawRecord['origin']
  readonly problem?: string

  constructor(record: RawRecord) {
    this.value = record.value
    if (record.text !== undefined) this.text = record.text
    if (record.origin !== undefined) this.origin = record.origin
    if (record.problem !== undefined) this.problem = record.problem
  }
}

/**
 * The same records in order, as they come. `ConfigError` for what is no list or stream of records; an abort ends the wait
 * for the next record of a stream.
 */
export function toRecords(
  events: Iterable<RawEvent> | AsyncIterable<RawEvent>,
  signal?: AbortSignal,
): Iterable<RawRecord> | AsyncIterable<RawRecord> {
  if (typeof events === 'object' && events !== null) {
    if (Symbol.asyncIterator in events) return asyncRecords(signal ? abortable(events, signal) : events)
    if (Symbol.iterator in events) return records(events)
  }
  throw new ConfigError('events must be an array, an iterable or an async iterable of records')
}

/** Ends with the signal's reason as soon as it aborts, even if the next record never comes. */
async function* abortable<T>(events: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort)
  const iterator = events[Symbol.asyncIterator]()
  let ended = false
  try {
    while (true) {
      const next = await Promise.race([iterator.next(), aborted])
      ended = next.done === true
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // A stream that hangs in `next` may never answer; nobody waits for it.
    if (!ended) void iterator.return?.()?.catch(() => undefined)
  }
}

function* records(events: Iterable<RawEvent>): Iterable<RawRecord> {
  for (const event of events) yield toRecord(event)
}

async function* asyncRecords(events: AsyncIterable<RawEvent>): AsyncIterable<RawRecord> {
  for await (const event of events) yield toRecord(event)
}

function toRecord(event: RawEvent): RawRecord {
  return event instanceof SourceRecord ? event : { value: event }
}
