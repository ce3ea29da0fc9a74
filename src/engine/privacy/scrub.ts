/**
 * The step after erasures that makes the database forget the bytes, too (spec 10 §10): until it was done they are named in
 * every certificate. It writes everything anew, so people decide when.
 */
import { ConfigError } from '../../errors.ts'
import type { ErasureTarget } from '../../ports/erasure.ts'
import type { Outstanding } from '../../ports/privacy.ts'
import type { Scrubbed, Store } from '../../ports/store.ts'
import { whileArchiveRests } from '../cold/slot.ts'
import type { Engine } from '../engine.ts'
import { withWholeState } from '../slot.ts'

const NOTE = 'scrubbed'
const STORE = 'database_files'
const UNSCRUBBED =
  "files of the database hold bytes of removed rows until they are written anew: run 'defacto erase scrub' when nothing else runs"

/** Nothing is built or archived meanwhile. */
export async function scrubDatabase(engine: Engine, { signal }: { signal?: AbortSignal } = {}): Promise<Scrubbed> {
  const { store } = engine
  const { scrub } = store
  if (scrub === undefined) throw new ConfigError('this database cannot be scrubbed; ask who runs it')
  const never = async (): Promise<boolean> => false
  // The state first: a reset that holds it waits for the archive.
  const scrubbed = await withWholeState(engine, 'scrub', signal, never, () =>
    whileArchiveRests(engine, 'scrub', signal, async () => {
      // What is removed from now on waits for the next one.
      const at = engine.now().toString()
      const result = await scrub.call(store, signal && { signal })
      await store.privacy.putNote(NOTE, JSON.stringify({ at, left: result.left }))
      return result
    }),
  )
  if (scrubbed === undefined) throw new Error('nobody else scrubs')
  return scrubbed
}

/** What the files of the database may still hold of what was removed at the pivot. */
export async function outstandingFiles({ privacy }: Pick<Store, 'privacy'>, pivotAt: string): Promise<Outstanding[]> {
  const note = await privacy.note(NOTE)
  const { at, left } = (note === null ? { at: '', left: [] } : JSON.parse(note)) as { at: string; left: string[] }
  if (at < pivotAt) return [outstanding(UNSCRUBBED)]
  return left.map(outstanding)
}

/** The files as a store: nothing is done there, and what they may still hold is named. */
export function databaseFiles(store: Pick<Store, 'privacy'>): ErasureTarget {
  return {
    name: STORE,
    plan: async () => 0,
    async erase(subjects) {
      const named = subjects.map(({ pivotAt }) => (pivotAt === null ? [] : outstandingFiles(store, pivotAt)))
      return (await Promise.all(named)).map((left) => ({ action: 'declared', items: 0, outstanding: left }))
    },
    verify: async () => ({ remaining: 0, method: 'declared' }),
  }
}

function outstanding(reason: string): Outstanding {
  return { store: STORE, reason, until: null }
}
