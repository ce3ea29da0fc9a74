/**
 * Rules of the tiers, each broken by a wrapper around what the code under test is given. A simulation that does not notice
 * one of them shows nothing about it.
 */
import type { ObjectStore } from '../../src/ports/objects.ts'
import type { Store, Tx, Unit } from '../../src/ports/store.ts'
import type { TierPort, TierState } from '../../src/ports/tiers.ts'
import type { Random } from './random.ts'
import { settingsOf } from './run.ts'
import type { Breaks, Settings, World } from './world.ts'

export interface Switch {
  readonly rule: string
  readonly breaks: Breaks
  /** One of the ways in which it shows. */
  readonly noticed: RegExp
  readonly settings?: (random: Random) => Settings
}

const tiersOf = (change: (tiers: TierPort, world: World) => Partial<TierPort>): Breaks => ({
  hot: (store, world) => ({ ...store, tiers: { ...store.tiers, ...change(store.tiers, world) } }),
})

const objectsOf = (change: (objects: ObjectStore, world: World) => Partial<ObjectStore>): Breaks => ({
  objects: (objects, world) => ({ ...objects, ...change(objects, world) }),
})

const withDamage = (random: Random): Settings => {
  const settings = settingsOf(random)
  return { ...settings, faults: { ...settings.faults, damaged: 0.3 } }
}

/** Much is done at a stretch, so that a whole piece of work fits between two steps of another. */
const inBursts = (random: Random): Settings => ({ ...settingsOf(random), chances: { crash: 0, stop: 0.01, stay: 0.9 } })

export const SWITCHES: Readonly<Record<string, Switch>> = {
  'prune without confirming': {
    rule: 'rows leave the database only after the archive was read back',
    settings: (random) => ({ ...settingsOf(random), rot: true }),
    noticed: /the archive lacks it/,
    breaks: {
      archive: (archive) => ({
        ...archive,
        async confirm() {
          return (await archive.snapshot())?.version ?? 0
        },
      }),
    },
  },
  'prune in two transactions': {
    rule: 'rows leave the database together with the rise of `pruned`',
    noticed: /the database lacks it/,
    breaks: { hot: pruneInTwo },
  },
  'flushed ahead of the archive': {
    rule: '`flushed` rises after the commit, not before',
    noticed: /flushed is \d+, but the archive ends at/,
    breaks: tiersOf((tiers) => ({
      put: (unit, next) => tiers.put(unit, next.claimed === undefined ? next : { ...next, flushed: next.claimed }),
    })),
  },
  'commit retried at the next version': {
    rule: 'who meets another commit starts again from the table as it is',
    noticed: /two files|another version|lacks|gone/,
    breaks: objectsOf((objects) => ({ put: blindly(objects) })),
  },
  'change not staged': {
    rule: 'a change of a claimed row is recorded for the archive in the same unit',
    noticed: /another version|as it was at no moment/,
    breaks: tiersOf(() => ({ stage: async () => {} })),
  },
  'read before claiming': {
    rule: '`claimed` rises before the rows are read',
    noticed: /another version|do not ascend/,
    breaks: tiersOf((tiers) => ({ put: (unit, next) => tiers.put(unit, claimedLate(next)) })),
  },
  'pruned remembered': {
    rule: 'readers look at `pruned` again after they have read',
    noticed: /lacks|as it was at no moment/,
    breaks: { hot: remembering },
  },
  'no commit where no file changes': {
    rule: 'settling commits even if nothing changes, so that a flush in hand meets it',
    settings: inBursts,
    noticed: /another version|as it was/,
    breaks: {
      archive: (archive) => ({
        ...archive,
        async rewrite(request) {
          const { sequences } = request
          if (sequences !== 'all') {
            for await (const rows of archive.scan({ sequences })) {
              const changed = await request.change(rows)
              if (JSON.stringify(changed) !== JSON.stringify(rows)) return archive.rewrite(request)
            }
          }
          return { applied: true, rows: 0, files: 0, version: 0 }
        },
      }),
    },
  },
  'data file overwritten': {
    rule: 'every upload has a name of its own',
    noticed: /gone or damaged|verify|another version/,
    breaks: objectsOf((objects, world) => overwriting(objects, world)),
  },
  'upload not read back': {
    rule: 'what was uploaded is fetched and compared before it is committed',
    settings: withDamage,
    noticed: /gone or damaged/,
    breaks: { objects: notReadBack },
  },
  'fence ignored': {
    rule: 'who has lost his slot writes nothing more',
    noticed: /without holding their slot/,
    breaks: {
      hot: (store) => ({ ...store, locks: { ...store.locks, fence: async () => {}, renew: async () => true } }),
    },
  },
}

function pruneInTwo(store: Store, world: World): Store {
  const removed = new WeakMap<Tx, number>()
  const { database } = world
  return {
    ...store,
    tiers: {
      ...store.tiers,
      prune: async (unit, to) => {
        const before = database.stateIn(unit).tier!
        const count = await store.tiers.prune(unit, to)
        database.stateIn(unit).tier = { ...database.stateIn(unit).tier!, pruned: before.pruned }
        removed.set(unit.tx, to)
        return count
      },
    },
    async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
      let to: number | undefined
      const result = await store.transaction(async (tx) => {
        const done = await work(tx)
        to = removed.get(tx)
        return done
      })
      if (to !== undefined) {
        const pruned = to
        await store.transaction((tx) => store.tiers.put({ tx } as Unit, { pruned }))
      }
      return result
    },
  }
}

function blindly(objects: ObjectStore): ObjectStore['put'] {
  return async (path, body, options) => {
    for (let at = path; ; at = nextVersion(at)) {
      const result = await objects.put(at, body, options)
      if (result.written || !/^_delta_log\/\d+\.json$/.test(at) || /0{20}\.json$/.test(at)) return result
    }
  }
}

const nextVersion = (path: string): string =>
  path.replace(/\d{20}/, (version) => String(Number(version) + 1).padStart(20, '0'))

function claimedLate({ claimed, ...next }: Partial<TierState>): Partial<TierState> {
  return next.flushed === undefined ? next : { ...next, claimed: next.flushed }
}

/** Outside of units a process looks at the state only now and then. */
function remembering(store: Store, { scheduler }: World): Store {
  let known: { at: number; state: TierState } | null = null
  return {
    ...store,
    tiers: {
      ...store.tiers,
      async state(unit) {
        if (unit !== undefined) return store.tiers.state(unit)
        if (known !== null && scheduler.step <= known.at + 30) return known.state
        const state = await store.tiers.state()
        if (state !== null) known = { at: scheduler.step, state }
        return state
      },
    },
  }
}

const withoutId = (path: string): string => path.replace(/\.id\d+\.parquet$/, '.parquet')

/** Files are called by their range alone, also in the log. */
function overwriting(objects: ObjectStore, { bucket }: World): Partial<ObjectStore> {
  return {
    upload: async (path, file) => {
      const name = withoutId(path)
      if (name !== path) bucket.objects.delete(name)
      await objects.upload(name, file)
    },
    download: (path, file) => objects.download(withoutId(path), file),
    get: (path, range) => objects.get(withoutId(path), range),
    stat: (path) => objects.stat(withoutId(path)),
    put: (path, body, options) =>
      objects.put(
        path,
        Buffer.from(
          Buffer.from(body)
            .toString()
            .replaceAll(/\.id\d+\.parquet/g, '.parquet'),
        ),
        options,
      ),
  }
}

/** The first download of an upload of one's own gives what was sent, whatever arrived. */
function notReadBack(...[objects, , , disk]: Parameters<NonNullable<Breaks['objects']>>): ObjectStore {
  const sent = new Map<string, Uint8Array>()
  return {
    ...objects,
    async upload(path, file) {
      const body = await disk.read(file)
      await objects.upload(path, file)
      if (path.startsWith('data/')) sent.set(path, body)
    },
    async download(path, file) {
      const body = sent.get(path)
      if (body === undefined) return objects.download(path, file)
      sent.delete(path)
      await disk.write(file, body)
      return body.length
    },
  }
}
