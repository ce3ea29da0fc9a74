/** How far assets lag behind, told without running anything; alerts when that changes (spec 10 §3.8). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { notifyFreshness } from '../../src/orchestration/alerts/freshness.ts'
import { freshnessOf } from '../../src/orchestration/assets/freshness.ts'
import { assetInfos } from '../../src/orchestration/assets/info.ts'
import type { AssetFreshness } from '../../src/orchestration/assets/model.ts'
import { founded, postgresPlace, sqlitePlace, TestSpace, teamed, teams } from '../support/orchestration.ts'
import { joined, used } from '../support/people.ts'
import { describePostgres } from '../support/postgres.ts'

const PLACES = [
  { name: 'SQLite', place: sqlitePlace, describe },
  { name: 'Postgres', place: postgresPlace, describe: describePostgres as typeof describe },
] as const
const DAY = 86_400_000

for (const { name, place, describe: describeHere } of PLACES)
  describeHere(`freshness on ${name}`, () => {
    let space: TestSpace
    beforeEach(async () => {
      const where = await place()
      space = await TestSpace.open(where, teams(), { coldLedger: `${where.folder}/cold` })
    })
    afterEach(() => space?.close())

    async function freshness(asset: string, rule: Record<string, unknown>): Promise<AssetFreshness> {
      const pipeline = space.pipeline('nightly', { freshness: { [asset]: rule } })
      const [found] = await freshnessOf(space.context, [pipeline])
      return found as AssetFreshness
    }
    const events = async (): Promise<string[]> => {
      const sent = await space.context.operations.log.notifications.of('alert', 'asset/source/web')
      return sent.map(
        ({ payload }) => `${(payload as { event: string }).event} ${(payload as { severity: string }).severity}`,
      )
    }

    it('of an empty space is not known', async () => {
      for (const asset of ['source/web', 'entity/person', 'entity/person/history', 'ledger', 'cold']) {
        expect(await freshness(asset, { error: '1h' })).toMatchObject({ asset, state: 'unknown', lagMs: null })
      }
      expect(await freshness('source/web', { error: '1h', of: 'arrival' })).toMatchObject({ state: 'unknown' })
    })

    it('of a source: its newest event, or its last arrival', async () => {
      await space.engine.ingest('web', [joined('a', 18), joined('b', 17)] as never)
      const rule = { warn: '1d', error: '3d' }
      expect(await freshness('source/web', rule)).toEqual({
        asset: 'source/web',
        pipeline: 'nightly',
        of: 'event',
        state: 'warn',
        lagMs: 2 * DAY,
        warnMs: DAY,
        errorMs: 3 * DAY,
        since: '2024-01-18T00:00:00+00:00',
        at: '2024-01-20T00:00:00+00:00',
      })
      await space.engine.ingest('web', [joined('c', 25)] as never)
      expect(await freshness('source/web', rule)).toMatchObject({ state: 'ok', lagMs: 0 })

      space.pipeline('nightly', { inputs: { files: { source: 'web', kind: 'inbox' } } })
      const run = { pipeline: 'nightly', input: { input: 'files' } }
      await space.ended('ingest', { events_read: 5, events_ingested: 5 }, run)
      await space.ended('ingest', { events_read: 5, events_ingested: 0, duplicates: 5 }, run)
      await space.ended('ingest', { events_ingested: 1 }, { input: { inbox: 'b_1', source: 'other' } })
      space.now = new Date('2024-01-21T00:00:01Z')
      const arrival = await freshness('source/web', { error: '12h', of: 'arrival' })
      expect(arrival).toMatchObject({ state: 'error', lagMs: DAY, since: '2024-01-20T00:00:01+00:00' })
    })

    it('of entities and the ledger: the oldest event that is not interpreted', async () => {
      await space.engine.ingest('web', [joined('a', 18)] as never)
      const rule = { error: '1d' }
      for (const asset of ['entity/person', 'ledger']) {
        expect(await freshness(asset, rule)).toMatchObject({ of: 'build', state: 'error', lagMs: 2 * DAY })
      }
      await space.engine.build()
      expect(await freshness('ledger', rule)).toMatchObject({ state: 'ok', lagMs: 0, since: null })
    })

    it('of history: how long ago time rules were applied', async () => {
      await space.engine.ingest('web', [joined('a', 2)] as never, { process: true })
      await space.engine.tick({ asOf: '2024-01-19T12:00:00Z' })
      const found = await freshness('entity/person/history', { warn: '6h', error: '2d' })
      expect(found.of).toBe('tick')
      const horizon = (await space.context.operations.buildStatus()).tickHorizon
      expect(found.since).toBe(horizon)
      space.now = new Date('2024-01-22T00:00:00Z')
      expect(await freshness('entity/person/history', { warn: '6h', error: '2d' })).toMatchObject({
        lagMs: space.now.getTime() - Date.parse(horizon as string),
      })
    })

    it('of the archive: the oldest event that is not in it', async () => {
      await space.engine.ingest('web', [joined('a', 2), joined('b', 19)] as never, { process: true })
      expect(await freshness('cold', { error: '2d' })).toMatchObject({ of: 'flush', state: 'error', lagMs: 18 * DAY })
      await space.engine.ledger.tiers.flush({ upTo: 1 })
      expect(await freshness('cold', { error: '2d' })).toMatchObject({ state: 'ok', lagMs: DAY })
      await space.engine.ledger.tiers.flush()
      expect(await freshness('cold', { error: '2d' })).toMatchObject({ state: 'ok', lagMs: 0 })
    })

    it('of a source whose events have left the database is as before', async () => {
      const records = [joined('a', 2), joined('b', 19), joined('c', 12), founded('red', 3)]
      await space.engine.ingest('web', records as never, { process: true })
      const before = await freshness('source/web', { error: '12h' })
      const { tiers } = space.engine.ledger
      await tiers.flush({ upTo: 2 })
      await tiers.flush()
      await tiers.prune({ before: 3 })
      expect(before).toMatchObject({ state: 'error', since: '2024-01-19T00:00:00+00:00' })
      expect(await freshness('source/web', { error: '12h' })).toEqual(before)
      await tiers.prune()
      expect((await tiers.status()).hotRows).toBe(0)
      expect(await freshness('source/web', { error: '12h' })).toEqual(before)
      expect(await freshness('source/other', { error: '12h' })).toMatchObject({ state: 'unknown' })
      await space.engine.ingest('web', [joined('d', 10)] as never)
      expect(await freshness('source/web', { error: '12h' })).toEqual(before)
      await space.engine.ingest('web', [joined('e', 20)] as never)
      expect(await freshness('source/web', { error: '12h' })).toMatchObject({ state: 'ok', lagMs: 0 })
    })

    it('alerts when it changes, once, and when it is well again', async () => {
      await space.engine.ingest('web', [joined('a', 20)] as never)
      const pipeline = space.pipeline('nightly', {
        freshness: { 'source/web': { warn: '1d', error: '2d' } },
        alerts: [{ on: ['freshness', 'recovered'], to: { file: { path: 'a' } }, repeat: '12h' }],
      })
      const look = async (at: string): Promise<string[]> => {
        space.now = new Date(at)
        // Several processes look each minute.
        await Promise.all([1, 2].map(() => notifyFreshness(space.context, [pipeline])))
        return (await events()).toSorted()
      }
      expect(await look('2024-01-20T12:00:00Z')).toEqual([])
      expect(await look('2024-01-21T00:01:00Z')).toEqual(['freshness warn'])
      expect(await look('2024-01-21T06:00:00Z')).toEqual(['freshness warn'])
      expect(await look('2024-01-21T13:00:00Z')).toEqual(['freshness warn', 'freshness warn'])
      expect(await look('2024-01-22T00:01:00Z')).toEqual(['freshness error', 'freshness warn', 'freshness warn'])
      await space.engine.ingest('web', [used('a', 22, 1)] as never)
      expect(await look('2024-01-22T00:02:00Z')).toContain('recovered warn')
      expect(await look('2024-01-22T00:03:00Z')).toHaveLength(4)
      expect(await look('2024-01-23T00:10:00Z')).toHaveLength(5)
    })

    it('is part of what is known of each asset', async () => {
      await space.engine.ingest('web', [founded('red', 1), joined('a', 2), teamed('a', 'red', 3)] as never, {
        process: true,
      })
      const pipeline = space.pipeline('nightly', {
        inputs: { files: { source: 'web', kind: 'inbox' } },
        steps: ['ingest', 'build', 'check'],
        freshness: { 'entity/person': { error: '1d' } },
      })
      const build = await space.ended('build', {}, { pipeline: 'nightly' })
      const { log } = space.context.operations
      const result = { runId: build.runId, check: 'rows', severity: 'error', blocking: true, passed: true } as const
      await log.checks.put([
        { ...result, asset: 'entity/person', value: 1, sampleIds: [], message: null, at: space.text },
      ])
      const infos = await assetInfos(space.context, [pipeline])
      const { definitionHash } = await space.context.operations.definitions()
      expect(infos.find(({ name: asset }) => asset === 'entity/person')).toMatchObject({
        kind: 'entity',
        pipelines: ['nightly'],
        upstream: [{ name: 'entity/person/history', label: 'current' }],
        dataVersion: `${definitionHash.slice(0, 8)}:3`,
        materialized: { runId: build.runId, op: 'build', at: space.text },
        freshness: [{ state: 'ok', of: 'build' }],
        checks: [{ check: 'rows', passed: true }],
      })
      expect(infos.find(({ name: asset }) => asset === 'cold')).toMatchObject({ dataVersion: null, materialized: null })
      await space.engine.ledger.tiers.flush({ upTo: 2 })
      const cold = (await assetInfos(space.context, [])).find(({ name: asset }) => asset === 'cold')
      expect(cold?.dataVersion).toBe(`${definitionHash.slice(0, 8)}:2`)
    })
  })
