import '../support/small-units.ts'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EventFailure } from '../../src/index.ts'
import { day, joined, type Line, openPeople, people, standing, used } from '../support/people.ts'
import { inFolder } from '../support/scenario.ts'

const failing = [{ set: { property: 'n', value: 5 } }, { increment: { property: 'n' } }]

test('calls that name a version keep their place in the queue, and closing waits for them', async () => {
  const engine = await openPeople(people(), { version: 'a' })
  await engine.definitions.register('b', people({ properties: { extra: { type: 'string' } } }))
  const calls = Promise.all([
    engine.ingest('web', [joined('first', 1)], { process: 'b' }),
    engine.ingest('web', [joined('second', 1)]),
  ])
  await calls
  const order: unknown[] = []
  for await (const event of engine.ledger.scan()) order.push(event.data['mail'])
  expect(order).toEqual(['first', 'second'])

  const late = [engine.ingest('web', [joined('third', 1)], { process: 'b' }), engine.build('b'), engine.tick()]
  await Promise.all([engine.close(), engine.close()])
  expect((await Promise.allSettled(late)).map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'))
  await expect(engine.build()).rejects.toMatchObject({ code: 'E_CONFIG' })
})

test('a tick counts what it changed although it interprets pending events first', async () => {
  await using engine = await openPeople(people())
  await engine.ingest('web', [joined('M1', 1)])
  expect(await engine.tick({ asOf: day(60) })).toEqual({
    effectsProduced: 1,
    entitiesAffected: 1,
    transitions: 1,
    failures: [],
  })
  // Events that come later are brought to the same instant.
  await engine.ingest('web', [joined('M2', 2)])
  expect(await engine.tick({ asOf: day(10) })).toMatchObject({ entitiesAffected: 1, transitions: 1 })
})

test('a dry run tells plain values and failures, and changes nothing', async () => {
  await using engine = await openPeople(people())
  await engine.ingest('web', [joined('M1', 1)], { process: true })
  const dry = await engine.tick({ asOf: day(60), dryRun: true })
  const [id] = Object.keys(await standing(engine))
  expect(dry).toEqual({
    effectsProduced: 1,
    entitiesAffected: 1,
    transitions: 1,
    failures: [],
    changes: [
      {
        entityId: id,
        entityType: 'person',
        state: 'idle',
        properties: { n: 0, plan: null },
        lastEventTime: '2024-01-01T00:00:00+00:00',
        stateEnteredTime: '2024-01-31T00:00:00+00:00',
        createdTime: '2024-01-01T00:00:00+00:00',
        validFrom: '2024-01-31T00:00:00+00:00',
      },
    ],
  })
  expect(Object.values(await standing(engine))).toEqual(['on 0'])

  await using broken = await openPeople(people({ rule: failing }))
  await broken.ingest('web', [joined('M1', 1)], { process: true })
  const preview = await broken.tick({ asOf: day(60), dryRun: true })
  expect(preview.failures).toMatchObject([
    { stage: 'interpretation', field: 'n', entityType: 'person', sequence: null },
  ])
})

test('failures that a rebuild brings about are told once, in the result and to the sink', async () => {
  const sent: EventFailure[] = []
  const deadLetter = {
    send: async (failures: readonly EventFailure[]) => void sent.push(...failures),
    close: async () => undefined,
  }
  await using engine = await openPeople(people(), { deadLetter })
  await engine.ingest('web', [joined('M1', 1), ...[1, 2, 3, 4, 5].map((i) => used('M1', i + 3, i))], { process: true })
  expect(sent).toEqual([])
  // One more use before the others: the last of them goes beyond the maximum now.
  const late = (await engine.ingest('web', [used('M1', 2, 9)], { process: true })).buildResult
  expect(late).toMatchObject({ lateArrivals: 1, eventsFailed: 1, failures: [{ sequence: 6, field: 'n' }] })
  expect(sent).toEqual(late?.failures)
  expect(late?.failures[0]).toMatchObject({ raw: used('M1', 8, 5), handler: 'used', eventType: 'used', source: 'web' })
  // It is known now: another late event does not tell it again.
  const again = (
    await engine.ingest('web', [{ kind: 'upgraded', mail: 'M1', at: day(2), no: 1, plan: 'x' }], { process: true })
  ).buildResult
  expect(again).toMatchObject({ lateArrivals: 1, failures: [] })
})

test('a time rule that fails for the first time in a rebuild is told', async () => {
  await using engine = await openPeople(people({ rule: failing }))
  await engine.ingest('web', [joined('M1', 10)], { process: true })
  const result = await engine.ingest('web', [used('M1', 9, 1), used('M1', 80, 2)], { process: true })
  expect(result.buildResult?.failures).toMatchObject([{ sequence: null, handler: null, field: 'n' }])
})

test('an event that only fails for the merged entity is told', async () => {
  await using engine = await openPeople(people())
  const uses = [1, 2, 3].flatMap((i) => [used('M1', i + 3, i), used('M2', i + 3, i + 10)])
  await engine.ingest('web', [joined('M1', 1), joined('M2', 1), ...uses], { process: true })
  await engine.ingest('web', [joined('M1', 10, { card: 'c' })], { process: true })
  const { buildResult } = await engine.ingest('web', [joined('M2', 11, { card: 'c' })], { process: true })
  expect(buildResult).toMatchObject({ mergesDetected: 1, failures: [{ field: 'n', sequence: 8 }] })
  expect(Object.values(await standing(engine))).toEqual(['on 5'])
})

test('counts do not depend on how a build is cut into units', async () => {
  await using engine = await openPeople(people())
  await engine.ingest('web', [joined('M0', 5)], { process: true })
  const records = Array.from({ length: 12 }, (_, i) => [joined(`P${i}`, 6 + (i % 3)), used(`P${i}`, 9, i)]).flat()
  const { buildResult } = await engine.ingest('web', records, { process: true })
  expect(buildResult).toMatchObject({ entitiesCreated: 12, entitiesUpdated: 0, eventsProcessed: 24, lateArrivals: 0 })
  expect((await engine.ingest('web', [used('P1', 10, 99)], { process: true })).buildResult).toMatchObject({
    entitiesCreated: 0,
    entitiesUpdated: 1,
  })
})

test('an aborted ingest keeps what it stored, and does not wait for a stream that hangs', async () => {
  await using engine = await openPeople(people(), { batchSize: 2 })
  const controller = new AbortController()
  async function* hanging(): AsyncGenerator<object> {
    for (let i = 0; i < 5; i += 1) yield joined(`M${i}`, 1)
    controller.abort(new Error('enough'))
    await new Promise(() => undefined)
  }
  await expect(engine.ingest('web', hanging(), { signal: controller.signal, process: true })).rejects.toThrow('enough')
  expect(await engine.ledger.count()).toBe(4)
  expect(await engine.build()).toMatchObject({ entitiesCreated: 4 })
})

test('an aborted build goes on where it stopped', async () => {
  await inFolder(async (folder) => {
    await using engine = await openPeople(people(), { database: join(folder, 'd.db') })
    await engine.ingest('web', [joined('M0', 1)], { process: true })
    await engine.ingest(
      'web',
      Array.from({ length: 40 }, (_, i) => joined(`P${i}`, 2)),
    )
    for (const options of [{}, { full: true }]) {
      const controller = new AbortController()
      const stop = (): void => controller.abort(new Error('enough'))
      const aborted = engine.build({ ...options, signal: controller.signal, onProgress: stop })
      await expect(aborted).rejects.toThrow('enough')
      expect(await engine.buildStatus()).toMatchObject({ dirty: true })
      await engine.build()
      expect(await engine.buildStatus()).toMatchObject({ dirty: false, pendingEvents: 0 })
      expect(Object.keys(await standing(engine))).toHaveLength(41)
    }
  })
})

test('bad arguments of calls are configuration errors', async () => {
  await using engine = await openPeople(people())
  const wrong: Promise<unknown>[] = [
    engine.build({ untilSequence: Number.NaN }),
    engine.build({ untilSequence: -1 }),
    engine.build({ asOf: 'soon' }),
    engine.tick({ asOf: 'soon' }),
    engine.ingest('web', 'text' as never),
    engine.ingest('web', joined('M1', 1) as never),
    engine.ingest('web', null as never),
  ]
  for (const call of wrong) await expect(call).rejects.toMatchObject({ name: 'ConfigError', code: 'E_CONFIG' })
})

test('the standard log lines', async () => {
  const lines: Line[] = []
  await using engine = await openPeople(people(), {}, lines)
  const uses = [1, 2, 3, 4, 5, 6].map((i) => used('M1', i + 3, i))
  await engine.ingest('web', [joined('M1', 1), ...uses, { kind: 'nothing' }], { process: true })
  await engine.ingest('web', [used('M1', 2, 9)], { process: true })
  await engine.tick({ asOf: day(90) })
  const said = (message: string) => lines.find((line) => line.message === message)
  expect(said('ingest batch completed')).toMatchObject({
    level: 'info',
    fields: { logger: 'defacto.pipeline', events_ingested: 7, events_failed: 1, duplicates_skipped: 0 },
  })
  expect(said('ingest failures detected')).toMatchObject({ level: 'warn', fields: { stages: 'normalization:1' } })
  expect(said('build failures detected')).toMatchObject({ level: 'warn', fields: { stages: 'interpretation:1' } })
  expect(said('late arrivals detected')).toMatchObject({ level: 'info', fields: { late_arrivals: 1 } })
  expect(said('tick completed')).toMatchObject({
    level: 'info',
    fields: { logger: 'defacto.lifecycle', effects_produced: 1, entities_affected: 1, transitions: 1 },
  })
})
