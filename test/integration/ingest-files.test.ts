/** Files into the ledger as a run does it: every part once, wherever it was interrupted (spec 10 §3.2–3.3, §4.6). */
import { expect, test } from 'vitest'
import { IngestWorld, sales } from '../support/ingest-world.ts'

const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')

test('files are read once, in order of their names, with marks and counters', async () => {
  await using world = await IngestWorld.open()
  world.write('in/b.ndjson', lines(sales(10, 5)))
  world.write('in/a.ndjson', lines(sales(0, 12)))
  const input = { kind: 'files', path: 'in/*.ndjson', settle: '0s', batch: 5 }
  const { run, error } = await world.ingest(input)
  expect(error).toBeNull()
  const { rows, stats, parts } = await world.outcome(run)
  expect(rows).toHaveLength(15)
  expect(stats).toEqual({ events_read: 17, events_ingested: 15, duplicates: 2, events_failed: 0 })
  expect(parts).toEqual([
    { part: 'in/a.ndjson', state: 'done', recordsRead: 12, ingested: 12, duplicates: 0, failed: 0 },
    { part: 'in/b.ndjson', state: 'done', recordsRead: 5, ingested: 3, duplicates: 2, failed: 0 },
  ])

  const again = await world.ingest(input)
  expect(again.error).toBeNull()
  expect((await world.outcome(again.run)).stats).toEqual({})
})
