import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Defacto, type LedgerEventView } from '../../src/index.ts'
import type { Delivery } from '../oracle/oracle.ts'
import { loanEdges, loanKey, loanRows, memberKey, memberRows, traceDeliveries, traceTick } from '../oracle/trace.ts'
import { inFolder } from '../support/scenario.ts'
import { readWorld } from '../support/world.ts'

const shop = join(import.meta.dirname, '../fixtures/definitions/shop')
/** Before every time rule of the trace falls due, so that only the last step fires them. */
const clock = () => new Date('2024-03-06T12:00:00Z')

function open(database: string): Promise<Defacto> {
  return Defacto.fromDirectory(shop, { database, clock, logLevel: 'ERROR' })
}

function records(deliveries: Delivery[]): unknown[] {
  return deliveries.map(({ record }) => record)
}

async function expectTrace(d: Defacto): Promise<void> {
  const { entities } = await d.definitions.get()
  expect(await readWorld(d, { entities })).toEqual({
    [memberKey]: { type: 'member', rows: memberRows, edges: [] },
    [loanKey]: { type: 'loan', rows: loanRows, edges: loanEdges },
  })
}

test('the trace of spec 03 §13: all records in one call, then tick', async () => {
  await inFolder(async (folder) => {
    await using d = await open(join(folder, 'shop.db'))
    const result = await d.ingest('kiosk', records(traceDeliveries), { process: true })
    expect(result).toMatchObject({ eventsIngested: 4, duplicatesSkipped: 1, eventsFailed: 1, eventsUnresolved: 0 })
    expect(result.buildResult).toMatchObject({
      entitiesCreated: 2,
      eventsProcessed: 4,
      mergesDetected: 0,
      failures: [],
    })

    expect(result.failures).toHaveLength(1)
    expect(result.failures[0]).toMatchObject({
      stage: 'normalization',
      field: 'deposit',
      handler: 'tool_borrowed',
      eventType: 'tool_borrowed',
      source: 'kiosk',
      raw: traceDeliveries[5]?.record,
      entityId: null,
      sequence: null,
      recoverable: false,
    })
    expect(result.failures[0]?.error).not.toContain('502')

    const stored: LedgerEventView[] = []
    for await (const event of d.ledger.scan()) stored.push(event)
    expect(stored.map(({ sequence, eventType, resolutionHints }) => [sequence, eventType, resolutionHints])).toEqual([
      [1, 'member_joined', { member: { email: 'ana@shop.io', card_no: '771' } }],
      [2, 'tier_changed', { member: { card_no: '771' } }],
      [3, 'tool_borrowed', { loan: { loan_no: '501' }, member: { card_no: '771' } }],
      [4, 'tool_returned', { loan: { loan_no: '501' } }],
    ])
    expect(stored[1]?.data).toEqual({ card_no: '771', tier: 'plus', fee: 15 })
    expect(stored[2]?.data).toEqual({ loan_no: '501', card_no: '771', tool: 'drill', deposit: 0 })
    expect(result.duplicateIds).toEqual([stored[2]?.eventId])
    expect(stored[2]?.eventId).toBe(
      // sha256 of `tool_borrowed|[["loan_no",{"String":"501"}]]`
      `e_${(await import('node:crypto')).hash('sha256', 'tool_borrowed|[["loan_no",{"String":"501"}]]')}`,
    )

    const tick = await d.tick({ asOf: traceTick })
    expect(tick).toMatchObject({ entitiesAffected: 1, transitions: 2, failures: [] })
    await expectTrace(d)
    expect(await d.tick({ asOf: traceTick })).toMatchObject({ entitiesAffected: 0, effectsProduced: 0 })
  })
})

test('the trace of spec 03 §13: every record in a call and a process of its own, then a full rebuild', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'shop.db')
    for (const { record } of traceDeliveries) {
      await using d = await open(database)
      await d.ingest('kiosk', [record], { process: true, throwIfAllFail: false })
    }
    await using d = await open(database)
    await d.tick({ asOf: traceTick })
    await expectTrace(d)
    for (const options of [{ full: true }, { fromRaw: true }]) {
      await d.build(options)
      await expectTrace(d)
    }
    expect((await d.build()).mode).toBe('SKIP')
  })
})

test('the edge can be asked for from either side', async () => {
  await inFolder(async (folder) => {
    await using d = await open(join(folder, 'shop.db'))
    await d.ingest('kiosk', records(traceDeliveries), { process: true })
    const [written] = await d.relationship('taken_by', { history: true }).rows()
    const [seen] = await d.relationship('took_out', { history: true }).rows()
    expect(seen).toMatchObject({
      source_id: written?.['target_id'],
      target_id: written?.['source_id'],
      deposit: 0,
      valid_from: '2024-03-06T10:00:00+00:00',
      valid_to: null,
    })
  })
})
