/** The small worlds that are explored to the last state; `docs/protocol/NAME.cfg` is the same for TLC. */
import { type Budgets, type Configuration, NOTHING } from './state.ts'

/** Two shards with a process each, unless told otherwise. */
export function world(change: Partial<Omit<Configuration, 'budgets'>>, budgets: Partial<Budgets> = {}): Configuration {
  return {
    shards: 2,
    processes: [0, 1],
    events: 2,
    hints: 2,
    width: 2,
    ids: 3,
    headLock: true,
    exclusive: false,
    ...change,
    budgets: { ...NOTHING, ...budgets },
  }
}

const ONE_SHARD = { shards: 1, processes: [0, 0] }

export const CONFIGURATIONS: Readonly<Record<string, Configuration>> = {
  /** Appends, mapping with automatic merges, chunks, hand-over through the feed. */
  ingest: world({ events: 3, hints: 3 }),
  /** One crash of a process or an append, anywhere. */
  crash: world({ events: 3 }, { crashes: 1 }),
  /** Appends that hold sequences while later ones commit; readers stay below the safe head. */
  'safe-head': world({ events: 3, headLock: false }),
  'safe-head-crash': world({ headLock: false }, { crashes: 1 }),
  /** A slow process loses its slot to another one of the same shard. */
  takeover: world({ ...ONE_SHARD, events: 3 }, { takeovers: 1, crashes: 1 }),
  /** A full build beside a merge, with a crash. */
  full: world({}, { fulls: 1, merges: 1, crashes: 1 }),
  /** Merge and erase by hand, under the mapping lock alone. */
  'merge-erase': world({}, { merges: 1, erases: 1, crashes: 1 }),
  reset: world({ ids: 4 }, { resets: 1, crashes: 1 }),
  'reset-takeover': world({ ids: 4 }, { resets: 1, takeovers: 1 }),
  /** An explicit merge survives an identity reset; both take every slot. */
  'reset-merge': world({ ids: 4, exclusive: true }, { resets: 1, merges: 1 }),
  'reset-erase': world({ ids: 4, exclusive: true }, { resets: 1, erases: 1 }),
}

/** The same questions with more events, for a look now and then (`DEFACTO_MODEL=large`); not in every run. */
export const LARGE: Readonly<Record<string, Configuration>> = {
  'ingest of three hints at once': world({ events: 3, hints: 3, width: 3 }),
  'merge by hand, three events': world({ events: 3, hints: 3 }, { merges: 1 }),
  'erase, three events': world({ events: 3 }, { erases: 1 }),
  'full, three events': world({ events: 3 }, { fulls: 1 }),
  'reset, three events': world({ events: 3, ids: 5 }, { resets: 1 }),
}
