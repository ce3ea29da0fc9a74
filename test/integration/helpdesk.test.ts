/**
 * The ticket log of a real help desk, against figures that were counted without this engine. The log itself is not part
 * of the project: its folder is named by DEFACTO_DATA_DIR.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Defacto, Definitions, type IngestResult } from '../../src/index.ts'

const PROJECT = join(import.meta.dirname, '..', 'fixtures', 'helpdesk')
const CLOCK = '2014-02-15T00:00:00Z'

const folder = process.env['DEFACTO_DATA_DIR']
const file = folder === undefined ? null : join(folder, 'helpdesk.ndjson.gz')
const present = file !== null && existsSync(file)
if (!present && process.env['CI'] !== 'true') {
  process.stderr.write('help desk figures left out: DEFACTO_DATA_DIR does not name a folder with helpdesk.ndjson.gz\n')
}

type Row = Readonly<Record<string, unknown>>

/** Figures of the data's README. */
const ACTIVITIES = {
  ticket_taken: 5060,
  ticket_resolved: 4983,
  seriousness_assigned: 4938,
  ticket_closed: 4574,
  ticket_waits: 1463,
  upgrade_required: 119,
  ticket_inserted: 118,
  anomaly_created: 67,
  anomaly_resolved: 13,
  intervention_scheduled: 5,
  marked_verified: 3,
  marked_resolved: 2,
  marked_invalid: 2,
  marked_duplicate: 1,
}

test('the log is there wherever a missing component is a failure', () => {
  expect(present || process.env['CI'] !== 'true').toBe(true)
})

describe.runIf(present)('help desk', () => {
  let scratch: string
  let records: unknown[]
  let desk: Defacto
  let ingested: IngestResult

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'helpdesk-'))
    const text = gunzipSync(readFileSync(file as string)).toString('utf8')
    records = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    desk = await open(await Definitions.fromDirectory(PROJECT), 'desk')
    ingested = await desk.ingest('helpdesk', records)
    await desk.build()
  })

  afterAll(async () => {
    await desk?.close()
    await rm(scratch, { recursive: true, force: true })
  })

  function open(definitions: Definitions, name: string): Promise<Defacto> {
    return Defacto.fromConfig(definitions, {
      database: join(scratch, `${name}.db`),
      clock: () => new Date(CLOCK),
      batchSize: 1000,
      logLevel: 'ERROR',
    })
  }

  test('every record is an event of its own', () => {
    expect(ingested).toMatchObject({
      eventsIngested: 21_348,
      eventsFailed: 0,
      duplicatesSkipped: 0,
      eventsUnresolved: 0,
    })
  })

  test('tickets, customers and agents', async () => {
    expect(await desk.table('ticket').count()).toBe(4580)
    expect(await desk.table('customer').count()).toBe(397)
    expect(await desk.table('agent').count()).toBe(22)
  })

  test('activities, first and last event, from the ledger', async () => {
    const types: Record<string, number> = {}
    let first = '9999'
    let last = ''
    for await (const event of desk.ledger.scan()) {
      types[event.eventType] = (types[event.eventType] ?? 0) + 1
      if (event.timestamp < first) first = event.timestamp
      if (event.timestamp > last) last = event.timestamp
    }
    expect(types).toEqual(ACTIVITIES)
    expect([first, last]).toEqual(['2010-01-13T08:40:25+00:00', '2014-01-03T13:20:58+00:00'])
  })

  test('every activity was counted once for each of the three', async () => {
    for (const type of ['ticket', 'customer', 'agent']) {
      let sum = 0
      for (const row of (await desk.table(type).select('activities').rows()) as Row[]) sum += Number(row['activities'])
      expect(sum, type).toBe(21_348)
    }
  })

  test('tickets whose last activity is Closed, and tickets that were ever closed', async () => {
    expect(await desk.table('ticket').filter({ ticket_state: 'closed' }).count()).toBe(4557)
    expect(
      await desk
        .table('ticket')
        .filter({ closings: { gt: 0 } })
        .count(),
    ).toBe(4559)
    const closed = desk.history('ticket').filter({ ticket_state: 'closed' }).select('ticket_id').distinct()
    expect(await closed.count()).toBeGreaterThanOrEqual(4557)
  })

  test('the desk as of the middle of 2012', async () => {
    const then = desk.history('ticket').asOf('2012-06-30T23:59:59Z')
    expect(await then.count()).toBe(3475)
    expect(await then.filter({ ticket_state: { ne: 'closed' } }).count()).toBe(228)
  })

  test('rows that differ in their line alone are repeats when the line does not count', async () => {
    const definitions = (await Definitions.fromDirectory(PROJECT)).toObject()
    const source = definitions.sources['helpdesk']
    if (source === undefined) throw new Error('no source helpdesk')
    const narrow = { ...definitions, sources: { helpdesk: { ...source, event_id: ['case', 'activity', 'at'] } } }
    const other = await open(Definitions.fromObject(narrow), 'narrow')
    try {
      const result = await other.ingest('helpdesk', records)
      expect(result.duplicatesSkipped).toBe(127)
      expect(result.eventsIngested).toBe(21_348 - 127)
    } finally {
      await other.close()
    }
  })

  test('neighbouring events of one ticket at the same instant, from ledger and from timelines', async () => {
    let inLedger = 0
    let inTimelines = 0
    for (const { ticket_id: id } of (await desk.table('ticket').select('ticket_id').rows()) as Row[]) {
      inLedger += equalNeighbours((await desk.ledger.eventsFor(String(id))).map((event) => event.timestamp))
      const { entries } = await desk.timeline(String(id), { all: true })
      const events = entries.filter((entry) => entry.eventType !== '_time_rule')
      inTimelines += equalNeighbours(events.map((entry) => entry.timestamp))
    }
    expect(inLedger).toBe(130)
    expect(inTimelines).toBe(130)
  })

  test('one history row per ticket and instant, and one per silence', async () => {
    let silences = 0
    for (const row of (await desk.history('ticket').select('silent').rows()) as Row[]) silences += Number(row['silent'])
    // Changes at one instant are one row; the rows of time rules are those that begin a silence.
    expect(await desk.history('ticket').count()).toBe(21_348 - 130 + silences)
  })

  test('gaps of more than 30 days, by time rule and by the clock of the events', async () => {
    expect(
      await desk
        .table('ticket')
        .filter({ gaps: { gt: 0 } })
        .count(),
    ).toBe(2648)
    expect(
      await desk
        .table('ticket')
        .filter({ gaps_seen: { gt: 0 } })
        .count(),
    ).toBe(2648)
    const counted = (await desk.table('ticket').select('gaps', 'gaps_seen').rows()) as Row[]
    expect(counted.filter((ticket) => ticket['gaps'] !== ticket['gaps_seen'])).toEqual([])
  })

  test('arriving backwards, a quarter of the log at a time, the history is the same', async () => {
    const late = await open(await Definitions.fromDirectory(PROJECT), 'late')
    try {
      const slices = 4
      const size = Math.ceil(records.length / slices)
      for (let slice = slices - 1; slice >= 0; slice--) {
        await late.ingest('helpdesk', records.slice(slice * size, (slice + 1) * size), { process: true })
      }
      expect(await byCase(late)).toEqual(await byCase(desk))
    } finally {
      await late.close()
    }
  })
})

function equalNeighbours(times: readonly string[]): number {
  return times.filter((time, index) => index > 0 && time === times[index - 1]).length
}

/** All ticket rows under the ticket's own number, in a fixed order. */
async function byCase(space: Defacto): Promise<string[]> {
  const lines: string[] = []
  for (const { ticket_id: _, ...row } of (await space.history('ticket').rows()) as Row[])
    lines.push(JSON.stringify(row))
  return lines.sort()
}
