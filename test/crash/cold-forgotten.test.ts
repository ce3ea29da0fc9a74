/** A database put back to a copy from before events were erased or redacted: the archive has forgotten them, and so must it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { tieredStore } from '../../src/adapters/tiered/store.ts'
import { Digests } from '../../src/core/privacy/digest.ts'
import { redactionKeyOf } from '../../src/engine/privacy/key.ts'
import type { FullLedgerRow, Store } from '../../src/ports/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { event } from '../../src/testing/contract/fixtures.ts'
import { Ground } from './cold-ground.ts'
import { coldWorker } from './cold-job.ts'
import { SQLITE } from './places.ts'
import { EDITIONS, type Workshop, workshop } from './shop-job.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 240

let shop: Workshop
beforeAll(() => {
  shop = workshop(COUNT, 8)
})
afterAll(() => shop.remove())

class LocalGround extends Ground {
  /** Works on the space below its engine. */
  async within<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const archive = await openDeltaArchive({ objects: openFolder(this.coldLedger as string) })
    const store = tieredStore(await openSqliteStore({ path: this.place.database, now: () => NOW }), archive)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }

  /** Empties some rows and treats others, and carries that into the archive. Returns what is left of the treated ones. */
  forget({ emptied, treated }: { emptied: readonly number[]; treated: readonly number[] }): Promise<FullLedgerRow[]> {
    return this.within(async (store) => {
      const { ledger } = store
      const rows = await drain(ledger.rows(treated))
      await inUnit(store, async (unit) => {
        await ledger.empty(
          unit,
          emptied.map((sequence) => ({ sequence, digest: `digest of ${sequence}` })),
        )
        await ledger.guard(unit, { suppressing: true })
        const redaction = JSON.stringify({ v: 1, raw: ['note'], data: [], hints: {}, removed: [] })
        await ledger.treat(
          unit,
          rows.map(({ sequence, hints, kinds, data, raw }) => {
            const without = JSON.stringify({ ...(JSON.parse(raw) as object), note: '[REDACTED]' })
            return { sequence, hints, kinds, redaction, data, raw: without }
          }),
        )
      })
      await ledger.settle()
      return drain(ledger.rows(treated))
    })
  }
}

async function groundOf(name: string): Promise<LocalGround> {
  const folder = join(shop.folder, `forgotten-${name}`)
  const cold = join(folder, 'archive')
  mkdirSync(cold, { recursive: true })
  return new LocalGround(shop, await SQLITE.place(folder, 'space'), cold)
}

/** A space with rows in both tiers; the copy is of the time when everything was known. */
async function forgotten(name: string) {
  const ground = await groundOf(name)
  await ground.ingest(0, 150)
  await ground.archive(40)
  const copy = ground.backup()
  const { head, pruned } = await ground.during((engine) => engine.ledger.tiers.status())
  // Of both tiers; an event and what is left of its member, and others that stay.
  const emptied = [2, 3, pruned - 1, pruned + 2, pruned + 5, head]
  const treated = [5, pruned, pruned + 3, pruned + 8]
  const left = await ground.forget({ emptied, treated })
  return { ground, copy, emptied, treated, left, head }
}

/** What the archive alone makes of everything. */
async function fromArchive(ground: LocalGround, name: string): Promise<object> {
  const place = await SQLITE.place(join(shop.folder, `forgotten-${name}`), 'beside')
  const beside = new LocalGround(shop, place, ground.coldLedger)
  await beside.restore()
  await beside.during((engine) => engine.build())
  return beside.known()
}

async function expectForgotten(
  ground: LocalGround,
  { emptied, left }: { emptied: readonly number[]; left: readonly FullLedgerRow[] },
): Promise<void> {
  await ground.within(async ({ ledger, tiers }) => {
    expect(await drain(ledger.rows(emptied))).toEqual([])
    expect(await drain(ledger.rows(left.map(({ sequence }) => sequence)))).toEqual(left)
    expect(await ledger.count()).toBe((await ledger.head()) - emptied.length)
    for (const sequence of emptied) expect(await tiers.sequenceOf(`digest of ${sequence}`)).toBe(sequence)
    await ledger.settle()
    expect(await tiers.countStaged()).toBe(0)
  })
}

describe('a database that knows what its archive has forgotten', () => {
  test('forgets it when it is opened, whichever tier the rows are in', async () => {
    const all = await forgotten('opened')
    const { ground, copy, emptied } = all
    ground.putBack(copy)
    await ground.during(async (engine) => {
      for (const sequence of emptied) expect(await engine.ledger.event({ sequence })).toBeUndefined()
    })
    await expectForgotten(ground, all)
    await ground.during((engine) => engine.build())
    await expectForgotten(ground, all)
    expect(await ground.known()).toEqual(await fromArchive(ground, 'opened'))
    // Rows of both say the same, so that they may leave the database.
    await ground.archive()
    expect((await ground.during((engine) => engine.ledger.tiers.verify())).problems).toEqual([])
  })

  test('and the events are refused as before', async () => {
    const { ground, copy, emptied } = await forgotten('refused')
    ground.putBack(copy)
    await ground.during(async () => {})
    await ground.within(async (store) => {
      const guards = { digestOf: (id: string) => `digest of ${id}`, treated: () => expect.unreachable() }
      const given = emptied.map((sequence) => event(`${sequence}`))
      expect(await inUnit(store, (unit) => store.ledger.append(unit, given, guards))).toEqual(
        emptied.map((sequence) => ({ sequence, inserted: false })),
      )
    })
  })

  test('takes over what it lacks as the archive has it', async () => {
    const all = await forgotten('behind')
    const { ground, copy } = all
    await ground.ingest(150, COUNT)
    await ground.archive(20)
    await ground.forget({ emptied: [all.head + 3], treated: [] })
    const emptied = [...all.emptied, all.head + 3]
    ground.putBack(copy)
    await expect(ground.open()).rejects.toMatchObject({ code: 'E_COLD_AHEAD' })
    await ground.restore()
    await expectForgotten(ground, { ...all, emptied })
    await ground.during((engine) => engine.build())
    await expectForgotten(ground, { ...all, emptied })
    expect(await ground.known()).toEqual(await fromArchive(ground, 'behind'))
  })

  test.each(['forget.written:1', 'forget.committed:1'])('killed at %s, it forgets the next time', async (failpoint) => {
    const all = await forgotten(failpoint.replace(/\W/g, '-'))
    const { ground, copy } = all
    ground.putBack(copy)
    const open = { do: 'open', definitions, options: ground.options } as const
    expect(await coldWorker(shop, [open], { failpoint }).life).toMatchObject({ killed: true, error: null })
    expect(await coldWorker(shop, [open]).life).toMatchObject({ error: null, done: 1 })
    await expectForgotten(ground, all)
  })

  test('two that are opened at once do it once', async () => {
    const all = await forgotten('both')
    const { ground, copy } = all
    ground.putBack(copy)
    const engines = await Promise.all([ground.open(), ground.open()])
    for (const engine of engines) await engine.close()
    await expectForgotten(ground, all)
  })

  test('has tokens for hints that were redacted since, whichever tier their events are in', async () => {
    const ground = await groundOf('tokens')
    await ground.ingest(0, 150)
    await ground.archive(40)
    const copy = ground.backup()
    const { pruned } = await ground.during((engine) => engine.ledger.tiers.status())
    const wanted = await ground.within(async (store) => {
      const digests = new Digests(await redactionKeyOf(store))
      const all = await drain(store.identity.all())
      const members = await store.tiers.membersAt(null, [5, pruned + 3])
      const hints = all.filter(({ entityId }) => members.some((member) => member.entityId === entityId))
      const rows = await drain(store.ledger.rows([5, pruned + 3]))
      await inUnit(store, (unit) =>
        store.ledger.treat(
          unit,
          rows.map(({ sequence, data, raw, kinds, hints: own }) => {
            const tokens = Object.fromEntries(
              Object.entries(JSON.parse(own) as Record<string, Record<string, string>>).map(([type, fields]) => [
                type,
                Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, digests.token(value)])),
              ]),
            )
            const redaction = JSON.stringify({ v: 1, raw: [], data: [], hints: tokens, removed: [] })
            return { sequence, data, raw, kinds, hints: JSON.stringify(tokens), redaction }
          }),
        ),
      )
      await store.ledger.settle()
      const noted = rows.flatMap((row) => Object.values(JSON.parse(row.hints) as object).flatMap(Object.values))
      return hints
        .filter(({ value }) => noted.includes(value))
        .map((hint) => ({ ...hint, token: digests.token(hint.value) }))
    })
    expect(wanted.length).toBeGreaterThan(1)
    ground.putBack(copy)
    await ground.during(async () => {})
    await ground.within(async ({ identity }) => {
      const known = await identity.tokens(
        null,
        wanted.map(({ token }) => token),
        { sticky: true },
      )
      expect(new Set(known.map(({ value, entityId }) => `${value} ${entityId}`))).toEqual(
        new Set(wanted.map(({ token, entityId }) => `${token} ${entityId}`)),
      )
      expect(await identity.lookup(null, wanted)).toEqual(wanted.map(() => undefined))
    })
  })

  test('changes nothing where both know the same', async () => {
    const { ground } = await forgotten('same')
    const version = () => ground.within(async ({ archive }) => (await archive?.snapshot())?.version)
    const before = await version()
    await ground.during(async () => {})
    await ground.within(async ({ tiers, mapping }) => {
      expect(await tiers.countStaged()).toBe(0)
      expect((await mapping.state()).sourceHash).not.toBe('mixed')
    })
    expect(await version()).toBe(before)
  })
})
