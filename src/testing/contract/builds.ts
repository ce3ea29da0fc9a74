/** Contract of build state, shadows in the making and registered versions (spec 04 §4.1–4.4). */
import assert from 'node:assert/strict'
import { StorageError } from '../../errors.ts'
import type { BuildState, ShadowBuild, Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { versionRow } from './fixtures.ts'

const STATE: BuildState = {
  version: 'v1',
  cursor: 7,
  watermark: '2024-01-01T00:00:00+00:00',
  definitionHash: 'd',
  sourceHash: 's',
  identityHash: 'i',
  dirty: true,
  lastBuildTime: '2024-01-02T00:00:00+00:00',
  lastBuildMode: 'INCREMENTAL',
  totalShards: 1,
  generation: 3,
  tickHorizon: '2024-01-03T00:00:00+00:00',
  changeCursor: 4,
}
const EMPTY: BuildState = {
  ...STATE,
  cursor: 0,
  watermark: null,
  dirty: false,
  lastBuildTime: null,
  lastBuildMode: null,
  tickHorizon: null,
}
const SHADOW: ShadowBuild = {
  version: 'v1',
  mode: 'FULL',
  upTo: 100,
  asOf: '2024-01-02T00:00:00+00:00',
  afterEntity: null,
  stats: '{}',
  watermark: null,
  generation: 2,
  changeCursor: 1,
  definitionHash: 'd',
  sourceHash: 's',
  identityHash: 'i',
}

export function buildContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`build state on ${backend.name}`, () => {
    test('is kept per version', async (store) => {
      assert.equal(await store.builds.get('v1'), undefined)
      await inUnit(store, async (unit) => {
        await store.builds.put(unit, EMPTY)
        assert.deepEqual(await store.builds.get('v1', unit), EMPTY)
      })
      await inUnit(store, (unit) => store.builds.put(unit, STATE))
      assert.deepEqual(await store.builds.get('v1'), STATE)
      assert.equal(await store.builds.get('v2'), undefined)
    })

    test('a shadow in the making is kept until it is dropped', async (store) => {
      assert.equal(await store.builds.shadow('v1'), undefined)
      await inUnit(store, (unit) => store.builds.putShadow(unit, SHADOW))
      assert.deepEqual(await store.builds.shadow('v1'), SHADOW)
      const next = { ...SHADOW, afterEntity: 'm 7', stats: '{"a":1}', watermark: STATE.watermark }
      await inUnit(store, async (unit) => {
        await store.builds.putShadow(unit, next)
        assert.deepEqual(await store.builds.shadow('v1', unit), next)
      })
      await inUnit(store, (unit) => store.builds.dropShadow(unit))
      assert.equal(await store.builds.shadow('v1'), undefined)
    })
  })

  api.describe(`versions on ${backend.name}`, () => {
    test('are listed, found by name, and at most one is active', async (store) => {
      assert.deepEqual(await store.versions.list(), [])
      assert.equal(await store.versions.active(), undefined)
      for (const version of ['v2', 'v1']) {
        await inUnit(store, (unit) => store.versions.insert(unit, versionRow(version)), version)
      }
      assert.deepEqual(
        (await store.versions.list()).map((v) => v.version),
        ['v1', 'v2'],
      )
      assert.deepEqual(await store.versions.get('v1'), { ...versionRow('v1'), active: false })
      assert.equal(await store.versions.get('V1'), undefined)
      for (const version of ['v1', 'v2', 'v2']) {
        await inUnit(store, (unit) => store.versions.activate(unit), version)
        const active = (await store.versions.list()).filter((v) => v.active)
        assert.deepEqual(
          active.map((v) => v.version),
          [version],
        )
      }
    })

    test('names are taken once, and only registered ones can be active', async (store) => {
      await inUnit(store, (unit) => store.versions.insert(unit, versionRow('v1')))
      await assert.rejects(
        inUnit(store, (unit) => store.versions.insert(unit, versionRow('v1'))),
        StorageError,
      )
      await assert.rejects(
        inUnit(store, (unit) => store.versions.activate(unit), 'v9'),
        StorageError,
      )
    })
  })
}
