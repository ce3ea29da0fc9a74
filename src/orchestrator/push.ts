/** Records that are handed in: stored first, then read by a run (spec 10 §3.2 `inbox`). */

import { hash } from 'node:crypto'
import { ConfigError, NotFoundError } from '../errors.ts'
import type { Control, Orchestration } from '../orchestration/contract.ts'
import { newId } from '../orchestration/ids.ts'
import { nowText } from '../orchestration/time.ts'
import type { InboxRow, RunRow } from '../ports/runs.ts'
import { type RawEvent, toRecords } from '../records.ts'

/** Rows stored at once. */
const ROWS = 500
/** Finds the run of a key before its records are stored. */
const KEY_TAG = 'push_key'

/** The run that reads the records; they are stored when it is. With a key that is known, nothing is stored again. */
export async function pushRecords(
  context: Orchestration,
  control: Control,
  source: string,
  events: Iterable<RawEvent> | AsyncIterable<RawEvent>,
  options: { readonly key?: string; readonly tags?: Readonly<Record<string, string>> },
): Promise<RunRow> {
  const { operations } = context
  const { definitions } = await operations.definitions()
  if (definitions.sources[source] === undefined) throw new NotFoundError(`there is no source '${source}'`)
  const { key } = options
  const tags = key === undefined ? options.tags : { ...options.tags, [KEY_TAG]: hash('sha256', key).slice(0, 16) }
  const known = key === undefined || tags === undefined ? undefined : await knownRun(context, key, tags)
  if (known !== undefined) return known
  const batchId = newId('b', context.clock())
  let rows: InboxRow[] = []
  let line = 0
  const flush = async (): Promise<void> => {
    if (rows.length > 0) await operations.log.inputs.push(rows)
    rows = []
  }
  for await (const { value, text } of toRecords(events)) {
    line += 1
    rows.push({ batchId, line, source, raw: text ?? textOf(value, line), receivedAt: nowText(context) })
    if (rows.length >= ROWS) await flush()
  }
  await flush()
  const input = { inbox: batchId, source }
  const { run } = await control.submit({ op: 'ingest', input, key, tags, trigger: 'api' })
  return run
}

function textOf(value: unknown, line: number): string {
  const text = JSON.stringify(value)
  if (text !== undefined) return text
  throw new ConfigError(`record ${line} is no JSON value`)
}

async function knownRun(
  { operations }: Orchestration,
  key: string,
  tags: Readonly<Record<string, string>>,
): Promise<RunRow | undefined> {
  const filter = { op: ['ingest'], parentRunId: null, tags: { [KEY_TAG]: tags[KEY_TAG] ?? '' } } as const
  return (await operations.log.runs.list(filter)).find((run) => run.idempotencyKey === key)
}
