/** Records as callers hand them in: plain objects, or `RawRecord`s that carry their text and place. */
import type { RawRecord } from './core/event.ts'

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

/** The same records in order, as they come. */
export function toRecords(
  events: Iterable<RawEvent> | AsyncIterable<RawEvent>,
): Iterable<RawRecord> | AsyncIterable<RawRecord> {
  return Symbol.asyncIterator in events ? asyncRecords(events) : records(events)
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
