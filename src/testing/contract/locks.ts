/** Contract of slots with fencing epochs (spec 10 §4.4). */
import assert from 'node:assert/strict'
import { Fenced, LockHeld } from '../../errors.ts'
import type { Holder, Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { at, event } from './fixtures.ts'

const HOLDER: Holder = { host: 'here', pid: 1, startedAt: 'then', purpose: 'build' }
const OTHER: Holder = { host: 'there', pid: 2, startedAt: 'now', purpose: 'tick' }
const T0 = at('2024-01-01T00:00:00Z')
const T30 = at('2024-01-01T00:00:30Z')
const T60 = at('2024-01-01T00:01:00Z')
const T90 = at('2024-01-01T00:01:30Z')
const TTL = 60_000

export function lockContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`locks on ${backend.name}`, () => {
    test('a held slot is refused with the name of its holder', async (store) => {
      assert.equal(await store.locks.acquire('state', HOLDER, TTL, T0), 1)
      await assert.rejects(store.locks.acquire('state', OTHER, TTL, T30), (error) => {
        assert.ok(error instanceof LockHeld)
        assert.deepEqual(error.details['holder'], HOLDER)
        assert.equal(error.details['since'], T0.toString())
        assert.equal(error.recoverable, true)
        return true
      })
      assert.equal(await store.locks.acquire('cold', OTHER, TTL, T30), 1)
    })

    test('a released or expired slot is taken, and the epoch only grows', async (store) => {
      const first = await store.locks.acquire('state', HOLDER, TTL, T0)
      await store.locks.release('state', first)
      const second = await store.locks.acquire('state', OTHER, TTL, T0)
      assert.equal(second, first + 1)
      assert.equal(await store.locks.acquire('state', HOLDER, TTL, T60), second + 1)
      // What a former holder does has no effect.
      await store.locks.release('state', second)
      assert.equal(await store.locks.renew('state', second, TTL, T60), false)
      await assert.rejects(store.locks.acquire('state', OTHER, TTL, T60), LockHeld)
    })

    test('renewal keeps the slot', async (store) => {
      const epoch = await store.locks.acquire('state', HOLDER, TTL, T0)
      assert.equal(await store.locks.renew('state', epoch, TTL, T30), true)
      await assert.rejects(store.locks.acquire('state', OTHER, TTL, T60), LockHeld)
      assert.equal(await store.locks.acquire('state', OTHER, TTL, T90), epoch + 1)
    })

    test('the fence lets the holder write and stops everybody else', async (store) => {
      const stale = await store.locks.acquire('state', HOLDER, TTL, T0)
      const chunk = (epoch: number, id: string): Promise<void> =>
        inUnit(store, async (unit) => {
          await store.locks.fence(unit.tx, 'state', epoch)
          await store.ledger.append(unit, [event(id)])
        })
      await chunk(stale, 'a')
      const current = await store.locks.acquire('state', OTHER, TTL, T60)
      await assert.rejects(chunk(stale, 'b'), Fenced)
      await chunk(current, 'c')
      assert.equal(await store.ledger.event({ eventId: 'b' }), undefined)
      await assert.rejects(
        inUnit(store, (unit) => store.locks.fence(unit.tx, 'never taken', 1)),
        Fenced,
      )
    })

    test('lists slots', async (store) => {
      const epoch = await store.locks.acquire('state', HOLDER, TTL, T0)
      const held = { slot: 'state', epoch, holder: HOLDER, acquiredAt: T0.toString(), renewedAt: T0.toString() }
      assert.deepEqual(await store.locks.list(), [{ ...held, expiresAt: T60.toString() }])
      await store.locks.release('state', epoch)
      const free = { slot: 'state', epoch, holder: null, acquiredAt: null, renewedAt: null, expiresAt: null }
      assert.deepEqual(await store.locks.list(), [free])
    })

    test('who wants a slot is told to its holder and to those that it excludes, until the next epoch', async (store) => {
      const wanted = (slot: string, epoch: number) => store.transaction((tx) => store.locks.wanted(tx, slot, epoch))
      const shard = (purpose: string): Holder => ({ ...HOLDER, purpose, shards: 2 })
      const now = await store.locks.clock()
      const first = await store.locks.acquire('state/0', shard('a'), TTL, now)
      const second = await store.locks.acquire('state/1', shard('b'), TTL, now)
      const cold = await store.locks.acquire('cold', OTHER, TTL, now)
      assert.equal(await wanted('state/0', first), null)
      await store.locks.want('state', 'erase')
      await store.locks.want('state', 'erase')
      assert.equal(await wanted('state/0', first), 'erase')
      assert.equal(await wanted('state/1', second), 'erase')
      assert.equal(await wanted('cold', cold), null)
      assert.equal(await wanted('state/0', first - 1), null)
      await store.locks.release('state/0', first)
      await store.locks.release('state/1', second)
      const state = (await store.locks.list()).find(({ slot }) => slot === 'state')?.epoch ?? 0
      assert.equal(await wanted('state', state), 'erase')
      const whole = await store.locks.acquire('state', OTHER, TTL, now)
      assert.ok(whole > state)
      assert.equal(await wanted('state', whole), null)
      await store.locks.release('state', whole)
      const again = await store.locks.acquire('state/0', shard('a'), TTL, now)
      assert.equal(await wanted('state/0', again), null)
    })

    test('what is held in memory below a slot is outdated by a new epoch', async (store) => {
      const whole = await store.locks.acquire('state', HOLDER, TTL, T0)
      await store.locks.release('state', whole)
      const shard = { ...HOLDER, shards: 2 }
      const before = await store.locks.acquire('state/0', shard, TTL, T0)
      await store.locks.release('state/0', before)
      await inUnit(store, (unit) => store.locks.outdate(unit, 'state'))
      assert.ok((await store.locks.acquire('state/0', shard, TTL, T0)) > before + 1)
      await store.locks.release('state/0', before + 2)
      assert.equal(await store.locks.acquire('state', HOLDER, TTL, T0), whole + 1)
    })

    api.it('the slot of a dead holder is taken at once', async () => {
      const space = await backend.space()
      const store = await space.open({ isDead: (holder) => holder.pid === HOLDER.pid })
      try {
        const epoch = await store.locks.acquire('state', HOLDER, TTL, T0)
        assert.equal(await store.locks.acquire('state', OTHER, TTL, T0), epoch + 1)
        await assert.rejects(store.locks.acquire('state', HOLDER, TTL, T0), LockHeld)
      } finally {
        await store.close()
        await space.dispose()
      }
    })
  })
}
