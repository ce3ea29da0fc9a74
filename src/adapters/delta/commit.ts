/** Commits: one object that exactly one writer can create (spec 07 §5.4). */
import { StorageError } from '../../errors.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import { type Action, type CommitInfo, commitIdOf, formatCommit } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { CHECKPOINT_INTERVAL, CONFIGURATION, schemaString } from './columns.ts'
import type { Context } from './context.ts'
import { commitPath } from './log-names.ts'
import { assertWritable, type TableState } from './table-state.ts'

const ENGINE = 'defacto'

export interface Intent {
  readonly operation: string
  readonly parameters: Readonly<Record<string, string>>
  readonly info?: Readonly<Record<string, unknown>>
  readonly actions: readonly Action[]
}

/**
 * Writes the version after `state` and returns the newest state. Null if another commit has that place: the caller starts
 * again from a new snapshot.
 * @throws StorageError if it cannot be told what became of ours; whoever repeats the call starts from a new snapshot, in
 * which it is recorded if it landed after all
 */
export async function commit(context: Context, state: TableState, intent: Intent): Promise<TableState | null> {
  assertWritable(state)
  const version = state.version + 1
  if (!(await place(context, version, intent))) return null
  const now = await context.log.newest()
  // Older than ours: others cleaned the log while it was listed.
  if (now === null || now.version < version || isCutOff(now, version, intent)) return null
  await checkpointWhenDue(context, now)
  return now
}

/** Creates the table unless somebody else is quicker; which of both, the next snapshot says. */
async function createTable(context: Context): Promise<void> {
  await place(context, 0, {
    operation: 'CREATE TABLE',
    parameters: {},
    actions: [
      { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      {
        metaData: {
          id: context.newId(),
          format: { provider: 'parquet', options: {} },
          schemaString: schemaString(),
          partitionColumns: [],
          configuration: CONFIGURATION,
          createdTime: context.now().getTime(),
        },
      },
    ],
  })
}

/** The newest state of a table that is created if need be; null if it is not there yet all the same. */
export async function existing(context: Context): Promise<TableState | null> {
  const state = await context.log.newest()
  if (state !== null) return state
  await createTable(context)
  return await context.log.newest()
}

async function place(context: Context, version: number, intent: Intent): Promise<boolean> {
  const { objects } = context
  const path = commitPath(version)
  const txnId = context.newId()
  const commitInfo: CommitInfo = {
    timestamp: context.now().getTime(),
    operation: intent.operation,
    operationParameters: intent.parameters,
    engineInfo: ENGINE,
    txnId,
    ...intent.info,
  }
  const body = formatCommit([{ commitInfo }, ...intent.actions])
  const first = await tryPut(objects, path, body)
  const placed = first instanceof StorageError ? await tryPut(objects, path, body) : first
  if (placed instanceof StorageError) throw placed
  if (placed === 'written') return true
  // A repeated request may have met our own commit, and a lost answer may have been a yes.
  const there = await objects.get(path)
  return there !== undefined && commitIdOf(there) === txnId
}

/**
 * A failure only if nothing is there. The request may arrive yet, so the same entry is put at the same place once more
 * before the failure is the caller's; a later call is then safe, because it begins with the table as it is.
 */
async function tryPut(
  objects: ObjectStore,
  path: string,
  body: Uint8Array,
): Promise<'written' | 'taken' | StorageError> {
  try {
    return (await objects.put(path, body, { ifAbsent: true })).written ? 'written' : 'taken'
  } catch (error) {
    if (!(error instanceof StorageError) || !error.recoverable) throw error
    return (await objects.get(path)) === undefined ? error : 'taken'
  }
}

/**
 * A commit that found its place free only because the log had been cleaned beyond it is read by nobody. Checkpoints are
 * written before anything is cleaned, so one at our version or later is the sign to look.
 */
function isCutOff(state: TableState, version: number, intent: Intent): boolean {
  if (state.checkpoint < version) return false
  return !intent.actions.every((action) => {
    if ('add' in action) return state.files.has(action.add.path) || state.removed.has(action.add.path)
    if ('txn' in action) return (state.txns.get(action.txn.appId)?.version ?? -1) >= action.txn.version
    return true
  })
}

/** A checkpoint only makes reading quicker: one that fails is tried again after the next commit. */
async function checkpointWhenDue(context: Context, state: TableState): Promise<void> {
  if (state.version - Math.max(0, state.checkpoint) < CHECKPOINT_INTERVAL) return
  try {
    await writeCheckpoint(context, state)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
  }
}
