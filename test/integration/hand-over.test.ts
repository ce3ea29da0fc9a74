/** Whoever wants the whole state gets it in the middle of what a build does, and the build does not notice (spec 10 §4.4). */
import '../support/small-units.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isDead } from '../../src/adapters/host/process-identity.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import { compileProgram } from '../../src/core/program.ts'
import type { Shard } from '../../src/core/shard.ts'
import { Definitions } from '../../src/definitions.ts'
import { type BuildOptions, build } from '../../src/engine/build.ts'
import { type Edition, Engine } from '../../src/engine/engine.ts'
import { hearFailpoints } from '../../src/engine/failpoint.ts'
import { appendRecords } from '../../src/engine/ingest.ts'
import { tick } from '../../src/engine/run-tick.ts'
import { withWholeState } from '../../src/engine/slot.ts'
import { registerVersion } from '../../src/engine/versions.ts'
import type { Store } from '../../src/ports/store.ts'
import type { BuildProgress, BuildResult } from '../../src/results.ts'
import { BACKENDS, type Backend, type CrashPlace, POSTGRES } from '../crash/places.ts'
import { start } from '../crash/processes.ts'
import { EDITIONS, END, expectedOf, expectIntact, NOW, type Workshop, workshop } from '../crash/shop-job.ts'
import { describePostgres } from '../support/postgres.ts'

const COUNT = 90
const SILENT = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT } as never
const [definitions, otherIdentities] = EDITIONS

let shop: Workshop
beforeAll(() => {
  shop = workshop(COUNT, 4)
})
afterAll(() => {
  hearFailpoints(null)
  shop.remove()
})

const now = (): Instant => instantFromText(NOW) as Instant
const end = instantFromText(END) as Instant

function openStore(backend: Backend, { database }: CrashPlace, shard?: Shard): Promise<Store> {
  const options = { now, isDead, ...(shard === undefined ? {} : { shard }) }
  return backend === POSTGRES
    ? openPostgresStore({ url: database, ...options })
    : openSqliteStore({ path: database, ...options })
}

async function engineOf(store: Store): Promise<Engine> {
  const clock = (): Date => new Date(NOW)
  let ids = 0
  const engine = new Engine({
    store,
    clock,
    // In order, so that two lives give the same ids.
    newId: () => `${store.shard?.id ?? 'n'}-${String(++ids).padStart(6, '0')}`,
    logger: SILENT,
    deadLetter: null,
    batchSize: 40,
    processStart: '',
  })
  await engine.digests()
  return engine
}

function editionOf(from: object): Edition {
  const program = compileProgram(Definitions.fromObject(from).toObject())
  return { version: program.version, program }
}

const VERSION = editionOf(definitions as object).version

/** Somebody who wants the state of all each time the engine reaches one of these places, and how often it was had. */
class Wanter {
  turns = 0
  /** A full build in the making was there. */
  inBetween = 0
  readonly #engine: Engine
  readonly #waiting: Promise<unknown>[] = []
  #asked = false
  #passed = 0

  constructor(engine: Engine, places: readonly string[]) {
    this.#engine = engine
    hearFailpoints((name) => {
      if (!places.includes(name) || this.#asked) return
      this.#passed += 1
      if (this.#passed % 3 !== 0) return
      this.#asked = true
      // Outside the unit that has just been reached.
      this.#waiting.push(new Promise((resolve) => setImmediate(resolve)).then(() => this.turn()))
    })
  }

  async turn(): Promise<void> {
    const { store } = this.#engine
    await withWholeState(
      this.#engine,
      'erase',
      undefined,
      async () => false,
      async (slot) => {
        const shadow = await slot.unit(VERSION, (unit) => store.builds.shadow(VERSION, unit))
        this.turns += 1
        if (shadow !== undefined && shadow.afterEntity !== null) this.inBetween += 1
      },
    )
    this.#asked = false
  }

  async done(): Promise<void> {
    hearFailpoints(null)
    await Promise.all(this.#waiting)
  }
}

interface Outcome {
  readonly results: readonly Partial<BuildResult>[]
  readonly ticked: object
}

/** Ingests, builds in several ways and ticks; `wanter`: somebody wants the state all the time. */
async function life(backend: Backend, name: string, others: 'nobody' | 'same store' | 'other store'): Promise<Outcome> {
  const space = await backend.place(shop.folder, name)
  const store = await openStore(backend, space)
  const second = others === 'other store' ? await openStore(backend, space) : store
  const engine = await engineOf(store)
  const edition = editionOf(definitions as object)
  const records = shop.records.map((value) => ({ value, text: JSON.stringify(value) }))
  const results: Partial<BuildResult>[] = []
  const phases: BuildProgress['phase'][] = []
  const built = async (options: BuildOptions, from: Edition = edition): Promise<void> => {
    const result = await build(engine, from, { asOf: now(), onProgress: ({ phase }) => phases.push(phase), ...options })
    const { durationMs: _, timing: __, ...counts } = result
    results.push(counts)
  }
  const wanter =
    others === 'nobody'
      ? null
      : new Wanter(await engineOf(second), [
          'shadow.committed',
          'chunk.committed',
          'map.committed',
          'renormalize.committed',
        ])
  try {
    await registerVersion(engine, edition)
    await appendRecords(engine, edition, 'kiosk', records.slice(0, 60))
    await built({})
    await appendRecords(engine, edition, 'kiosk', records.slice(60))
    await built({})
    await built({ full: true })
    await built({ fromRaw: true })
    const ticked = await tick(engine, edition, end)
    const other = editionOf(otherIdentities as object)
    await registerVersion(engine, other)
    await built({}, other)
    await wanter?.done()
    if (wanter !== null) {
      expect(wanter.turns).toBeGreaterThan(4)
      expect(wanter.inBetween).toBeGreaterThan(0)
    }
    return { results, ticked }
  } finally {
    hearFailpoints(null)
    if (second !== store) await second.close()
    await store.close()
    await space.remove()
  }
}

for (const backend of BACKENDS) {
  backend.describe(`handing over on ${backend.name}`, () => {
    test('a build that is interrupted all the time tells what an undisturbed one does', {
      timeout: 120_000,
    }, async () => {
      const undisturbed = await life(backend, 'undisturbed', 'nobody')
      expect(undisturbed.results.map(({ mode }) => mode)).toEqual([
        'INCREMENTAL',
        'INCREMENTAL',
        'FULL',
        'FULL_RENORMALIZE',
        'FULL_WITH_IDENTITY_RESET',
      ])
      expect(await life(backend, 'same', 'same store')).toEqual(undisturbed)
      expect(await life(backend, 'other', 'other store')).toEqual(undisturbed)
    })

    test('a process builds while another one has its turns', { timeout: 120_000 }, async () => {
      const space = await backend.place(shop.folder, 'processes')
      const job = {
        database: space.database,
        recordsFile: shop.recordsFile,
        now: NOW,
        // Whoever wants it may have it just when a step begins.
        patient: true,
        steps: [
          { do: 'open' as const, definitions: definitions as object },
          { do: 'ingest' as const, source: 'kiosk', from: 0, to: COUNT, process: true },
          { do: 'build' as const, full: true },
          { do: 'build' as const, fromRaw: true },
          { do: 'tick' as const, asOf: END },
        ],
      }
      const prepared = await openStore(backend, space)
      await registerVersion(await engineOf(prepared), editionOf(definitions as object))
      const process = start(shop.folder, job, { chunk: 4 })
      const wanter = new Wanter(await engineOf(prepared), [])
      let alive = true
      const life = process.life.finally(() => {
        alive = false
      })
      while (alive && wanter.inBetween < 5) await wanter.turn()
      expect(await life).toMatchObject({ error: null, killed: false, done: job.steps.length })
      expect(wanter.inBetween).toBeGreaterThan(0)
      await prepared.close()
      await expectIntact(
        space,
        definitions as never,
        expectedOf(shop.records, definitions as never, definitions as never),
      )
      await space.remove()
    })
  })
}

describePostgres('handing over by shards', () => {
  test('whoever wants all of them waits for each, and each goes on', { timeout: 120_000 }, async () => {
    const space = await POSTGRES.place(shop.folder, 'shards')
    const stores = await Promise.all([0, 1].map((id) => openStore(POSTGRES, space, { id, total: 2 })))
    const third = await openStore(POSTGRES, space)
    try {
      const edition = editionOf(definitions as object)
      const engines = await Promise.all(stores.map(engineOf))
      const [first] = engines as [Engine, Engine]
      await registerVersion(first, edition)
      const records = shop.records.map((value) => ({ value, text: JSON.stringify(value) }))
      await appendRecords(first, edition, 'kiosk', records)
      const wanter = new Wanter(await engineOf(third), ['shadow.committed', 'chunk.committed', 'map.committed'])
      for (const options of [{}, { full: true }]) {
        await Promise.all(engines.map((engine) => build(engine, edition, options)))
      }
      await wanter.done()
      expect(wanter.turns).toBeGreaterThan(1)
      const definitionsOf = definitions as never
      for (const engine of engines) await tick(engine, edition, end)
      await Promise.all([...stores, third].map((store) => store.close()))
      await expectIntact(space, definitionsOf, expectedOf(shop.records, definitionsOf, definitionsOf), { shards: 2 })
    } finally {
      hearFailpoints(null)
      await Promise.all([...stores, third].map((store) => store.close()))
      await space.remove()
    }
  })
})

describe('nobody wants it', () => {
  test('a second build is refused as before', async () => {
    const store = await openSqliteStore({ path: ':memory:', now })
    const engine = await engineOf(store)
    const edition = editionOf(definitions as object)
    await registerVersion(engine, edition)
    await appendRecords(engine, edition, 'kiosk', [{ value: shop.records[0] }])
    const both = await Promise.allSettled([build(engine, edition, {}), build(engine, edition, {})])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await store.close()
  })
})
