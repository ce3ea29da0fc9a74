/** A hot store in memory: the parts that the two tiers touch. */
import { type Instant, instantFromDate } from '../../src/core/instant.ts'
import { askedBy, checkEpoch, excludedBy, expiry, inTheWay, lockHeld, wish } from '../../src/ports/slots.ts'
import type {
  BuildStatePort,
  Holder,
  IdentityPort,
  LockPort,
  LockRow,
  MappingPort,
  Store,
  Unit,
  VersionPort,
} from '../../src/ports/store.ts'
import { Connection, type StreamStyle } from './hot-connection.ts'
import type { HotDatabase } from './hot-database.ts'
import { hotLedger } from './hot-ledger.ts'
import { hotTiers } from './hot-tiers.ts'
import type { Process } from './scheduler.ts'

export interface HotOptions {
  readonly database: HotDatabase
  readonly process: Process
  readonly style: StreamStyle
  readonly now: () => Date
  readonly isDead: (holder: Holder) => boolean
}

export function hotStore(options: HotOptions): Store {
  const { database, process, style } = options
  const connection = new Connection(database, process, style)
  return {
    dialect: 'sqlite',
    spaceId: 'space',
    namespace: 'test',
    shard: null,
    location: 'memory',
    ledger: hotLedger(connection),
    tiers: hotTiers(connection),
    archive: null,
    mapping: hotMapping(connection),
    builds: hotBuilds(connection),
    versions: hotVersions(connection),
    locks: hotLocks(connection, options),
    signals: { send: async () => {}, wait: () => database.requests.scheduler.io(process, 'wait', () => {}) },
    identity: absent('identity', { family: alone(connection) }),
    history: absent('history', { remove: async () => 0 }),
    checkpoints: absent('checkpoints', { remove: async () => {} }),
    reader: absent('reader'),
    exports: absent('exports'),
    log: absent('log'),
    privacy: absent('privacy'),
    transaction: (work) => database.transaction(process, work),
    close: async () => {},
  }
}

/** Nobody is merged into anybody here. */
function alone(connection: Connection): IdentityPort['family'] {
  return (unit, id) =>
    connection.run(unit, 'family', ({ members }) => {
      const member = members.find(({ entityId }) => entityId === id)
      return member === undefined ? [] : [{ id, type: member.entityType }]
    })
}

/** A port that nothing here has business with, but for what is `present`. */
function absent<T extends object>(name: string, present: Partial<NoInfer<T>> = {}): T {
  return new Proxy(present as T, {
    get: (known, method) => {
      if (Object.hasOwn(known, method)) return known[method as keyof T]
      throw new Error(`the simulation has no ${name}.${String(method)}`)
    },
  })
}

function hotMapping(connection: Connection): MappingPort {
  const run = connection.run.bind(connection)
  return {
    write: (unit, rows) =>
      run(unit, 'write mappings', (state) => {
        const known = new Set(state.members.map(({ sequence, entityId }) => `${sequence} ${entityId}`))
        const added = rows.filter(({ sequence, entityId }) => !known.has(`${sequence} ${entityId}`))
        state.members = [...state.members, ...added].sort((a, b) => a.sequence - b.sequence)
      }),
    existing: (unit, ids) =>
      run(unit, 'existing', ({ members }) => {
        const owning = new Set(members.map(({ entityId }) => entityId))
        return new Set(ids.filter((id) => owning.has(id)))
      }),
    state: (unit) => run(unit, 'mapping state', ({ mapping }) => mapping),
    lock: (unit: Unit) => run(unit, 'mapping lock', ({ mapping }) => mapping),
    setState: (unit, mapping) =>
      run(unit, 'put mapping state', (state) => {
        state.mapping = mapping
      }),
    entityType: (id) =>
      run(null, 'entity type', ({ members }) => members.find(({ entityId }) => entityId === id)?.entityType),
  }
}

function hotBuilds(connection: Connection): BuildStatePort {
  return {
    seed: unused,
    renew: unused,
    dropShadows: unused,
    shadow: unused,
    putShadow: unused,
    dropShadow: unused,
    get: (version, unit) => connection.run(unit, 'build state', ({ builds }) => builds.get(version)),
    all: (version, unit) =>
      connection.run(unit, 'build states', ({ builds }) =>
        [...builds.values()].filter((one) => one.version === version),
      ),
    put: (unit, next) =>
      connection.run(unit, 'put build state', ({ builds }) => {
        builds.set(next.version, next)
      }),
  }
}

function hotVersions(connection: Connection): VersionPort {
  const find = (label: string, version: (active: boolean, name: string) => boolean) =>
    connection.run(null, label, ({ versions }) => versions.find((row) => version(row.active, row.version)))
  return {
    list: () => connection.run(null, 'versions', ({ versions }) => [...versions]),
    get: (wanted) => find('version', (_, name) => name === wanted),
    active: () => find('active version', (active) => active),
    insert: (unit, row) =>
      connection.run(unit, 'insert version', (state) => {
        state.versions = [...state.versions, { ...row, active: false }]
      }),
    activate: (unit) =>
      connection.run(unit, 'activate version', (state) => {
        state.versions = state.versions.map((row) => ({ ...row, active: row.version === unit.version }))
      }),
  }
}

const unused = (): Promise<never> => Promise.reject(new Error('nobody builds here'))

const FREE = { holder: null, acquiredAt: null, renewedAt: null, expiresAt: null }

function hotLocks(connection: Connection, { now, isDead }: HotOptions): LockPort {
  const { database, process } = connection
  return {
    clock: () => connection.run(null, 'clock', () => instantFromDate(now()) as Instant),
    acquire: (slot, holder, ttlMs, at) =>
      database.slots(process, `acquire ${slot}`, (locks) => {
        const { held, lapsed } = inTheWay([...locks.values()], { slot, holder, now: at, isDead })
        if (held !== undefined) throw lockHeld(held)
        for (const row of lapsed) locks.set(row.slot, { ...row, ...FREE, epoch: row.epoch + 1 })
        const epoch = (locks.get(slot)?.epoch ?? 0) + 1
        const text = at.toString()
        locks.set(slot, { slot, epoch, holder, acquiredAt: text, renewedAt: text, expiresAt: expiry(at, ttlMs) })
        return epoch
      }),
    fence: async (tx, slot, epoch) => {
      const unit = { tx } as Unit
      checkEpoch(slot, epoch, await connection.run(unit, `fence ${slot}`, ({ locks }) => locks.get(slot)?.epoch))
    },
    renew: (slot, epoch, ttlMs, at) =>
      database.slots(process, `renew ${slot}`, (locks) => {
        const row = own(locks, slot, epoch)
        if (row === undefined || row.holder === null) return false
        locks.set(slot, { ...row, renewedAt: at.toString(), expiresAt: expiry(at, ttlMs) })
        return true
      }),
    release: (slot, epoch) =>
      database.slots(process, `release ${slot}`, (locks) => {
        const row = own(locks, slot, epoch)
        if (row !== undefined) locks.set(slot, { ...row, ...FREE })
      }),
    want: (slot, purpose) =>
      database.slots(process, `want ${slot}`, (locks) => {
        if (!locks.has(slot)) locks.set(slot, { slot, epoch: 0, ...FREE })
        const asked = wish(purpose, instantFromDate(now()) as Instant)
        for (const name of [slot, ...excludedBy([...locks.values()], slot)]) {
          locks.set(name, { ...locks.get(name)!, [WISH]: asked } as LockRow)
        }
      }),
    wanted: async (tx, slot, epoch) => {
      const unit = { tx } as Unit
      const row = await connection.run(unit, `wanted ${slot}`, ({ locks }) => own(locks, slot, epoch))
      const asked = (row as { [WISH]?: string } | undefined)?.[WISH]
      return asked === undefined ? null : askedBy(asked, instantFromDate(now()) as Instant)
    },
    outdate: (unit, slot) =>
      connection.run(unit, `outdate ${slot}`, ({ locks }) => {
        for (const row of locks.values()) {
          if (row.slot.startsWith(`${slot}/`)) locks.set(row.slot, { ...row, epoch: row.epoch + 1 })
        }
      }),
    list: () =>
      connection.run(null, 'locks', ({ locks }) => {
        return [...locks.values()].sort((a, b) => (a.slot < b.slot ? -1 : 1))
      }),
  }
}

/** Of a row: who wants its slot. */
const WISH = Symbol('wish')

function own(locks: ReadonlyMap<string, LockRow>, slot: string, epoch: number): LockRow | undefined {
  const row = locks.get(slot)
  return row?.epoch === epoch ? row : undefined
}
