/** What the change feed says of the erased cleans a version that was not there when it happened (spec 05 §4.2 no. 18). */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import { compileProgram } from '../../src/core/program.ts'
import { Definitions } from '../../src/definitions.ts'
import { build, nextMode } from '../../src/engine/build.ts'
import { type Edition, Engine } from '../../src/engine/engine.ts'
import { appendRecords } from '../../src/engine/ingest.ts'
import { merge } from '../../src/engine/merge.ts'
import { registerVersion } from '../../src/engine/versions.ts'
import type { Store } from '../../src/ports/store.ts'
import { rowsOf } from '../../src/testing/contract/fixtures.ts'
import { BACKENDS, type CrashPlace, POSTGRES } from '../crash/places.ts'
import { type Workshop, workshop } from '../crash/shop-job.ts'
import { merging, NOW, RECORDS, seen } from '../support/merging.ts'

const SILENT = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT } as never
const now = (): Instant => instantFromText(NOW) as Instant

let room: Workshop
beforeAll(() => {
  room = workshop(1, 1)
})
afterAll(() => room.remove())

for (const backend of BACKENDS) {
  backend.describe(`erased elsewhere, on ${backend.name}`, () => {
    let space: CrashPlace
    let store: Store
    let engine: Engine
    let edition: Edition
    let ann: string
    let bob: string
    let cat: string

    beforeEach(async () => {
      space = await backend.place(room.folder, `erased-${Math.random().toString(36).slice(2)}`)
      store =
        backend === POSTGRES
          ? await openPostgresStore({ url: space.database, now })
          : await openSqliteStore({ path: space.database, now })
      let ids = 0
      engine = new Engine({
        store,
        clock: () => new Date(NOW),
        newId: () => `id-${String(++ids).padStart(4, '0')}`,
        logger: SILENT,
        deadLetter: null,
        batchSize: 100,
        processStart: '',
      })
      await engine.digests()
      const program = compileProgram(Definitions.fromObject(merging).toObject())
      edition = { version: 'v1', program }
      await registerVersion(engine, edition)
      await append(RECORDS)
      await build(engine, edition)
      ;[ann, bob, cat] = (await Promise.all(
        ['ann', 'bob', 'cat'].map(async (mail) => (await store.identity.lookupAll(mail))[0]?.entityId),
      )) as [string, string, string]
    })
    afterEach(async () => {
      await store.close()
      await space.remove()
    })

    const append = (records: readonly object[]) =>
      appendRecords(
        engine,
        edition,
        'web',
        records.map((value) => ({ value })),
      )

    /** The shared part of an erasure; the states of versions are left as they are. */
    const eraseShared = (ids: readonly string[]) =>
      engine.unit('v1', async (unit) => {
        await store.mapping.lock(unit, { wait: true })
        const rows = await store.ledger.mappedFor(unit, ids, await store.ledger.head())
        await store.identity.erase(unit, ids)
        await store.ledger.empty(
          unit,
          rows.map(({ sequence }) => ({ sequence, digest: null })),
        )
      })
    const people = async (version = 'v1'): Promise<string[]> => {
      const rows = await rowsOf(store, 'history', 'person', ['person_id', 'merged_into'], version)
      return [...new Set(rows.map((row) => String(row['person_id'])))].sort()
    }
    const owners = async (): Promise<unknown[]> => {
      const rows = await rowsOf(store, 'relationship', 'owned_by', ['target_id'])
      return [...new Set(rows.map((row) => row['target_id']))].sort()
    }

    test('the entity, its checkpoint and edges to it are gone, and stay away', async () => {
      expect(await people()).toEqual([ann, bob, cat].sort())
      await eraseShared([ann])
      expect((await nextMode(engine, edition)).mode).toBe('INCREMENTAL')
      await build(engine, edition)
      expect(await people()).toEqual([bob, cat].sort())
      expect(await owners()).not.toContain(ann)
      expect((await store.checkpoints.load(null, 'v1', [ann, bob])).has(ann)).toBe(false)
      await append([seen('bob', 80, 'more')])
      await build(engine, edition)
      await build(engine, edition, { full: true })
      expect(await people()).toEqual([bob, cat].sort())
      expect(await owners()).not.toContain(ann)
      // Who comes again under the same name is somebody else.
      await append([seen('ann', 81, 'new')])
      await build(engine, edition)
      const [again] = await store.identity.lookupAll('ann')
      expect(again?.entityId).not.toBe(ann)
    })

    test('who was merged before, between or in the same breath goes with its survivor', async () => {
      const behind: Edition = { version: 'v2', program: edition.program }
      await registerVersion(engine, behind)
      await build(engine, behind)
      await merge(engine, edition, { from: ann, into: bob, reason: 'test' })
      const family = (await store.identity.family(null, ann)).map(({ id }) => id)
      expect(family).toEqual([bob, ann])
      await eraseShared(family)
      for (const one of [edition, behind]) {
        await build(engine, one)
        expect(await people(one.version)).toEqual([cat])
        await build(engine, one, { full: true })
        expect(await people(one.version)).toEqual([cat])
      }
      expect(await store.identity.survivorOf(ann)).toBe(ann)
      expect(await merge(engine, edition, { from: ann, into: cat, reason: 'test' })).toMatchObject({
        noop: 'unknown-source',
      })
    })

    test('a full build that was begun before does not bring it back', async () => {
      const { version, program } = edition
      await engine.unit(version, async (unit) => {
        const state = await store.builds.get(version, unit)
        if (state === undefined) throw new Error('not built')
        await store.history.beginShadow(unit, program.layout)
        await store.builds.putShadow(unit, {
          ...state,
          ...program.hashes,
          mode: 'FULL',
          upTo: state.cursor,
          asOf: NOW,
          afterEntity: null,
          stats: '{"eventsProcessed":0}',
        })
      })
      await eraseShared([ann])
      await build(engine, edition)
      expect(await people()).toEqual([bob, cat].sort())
    })
  })
}
