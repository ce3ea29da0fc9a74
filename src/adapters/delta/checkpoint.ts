/** Checkpoints: the whole state as one Parquet file, so that reading does not begin with version 0. */
import { StorageError } from '../../errors.ts'
import type { Action } from './actions.ts'
import { type Context, damagedFile } from './context.ts'
import { checkpointPath, LAST_CHECKPOINT } from './log-names.ts'
import { withoutValues } from './statistics.ts'
import type { TableState } from './table-state.ts'

/** How long readers of older checkpoints learn of replaced files. */
const REMEMBERED_MS = 7 * 86_400_000

/** Everything of the state that checkpoints carry; statistics reduced to what may be in the log. */
export function checkpointActions(state: TableState, now: number): Action[] {
  return [
    { protocol: state.protocol },
    { metaData: state.metadata },
    ...[...state.txns].map(([appId, { version, lastUpdated }]) => ({
      txn: { appId, version, ...(lastUpdated === null ? {} : { lastUpdated }) },
    })),
    ...[...state.removed.values()]
      .filter(({ deletionTimestamp }) => deletionTimestamp > now - REMEMBERED_MS)
      .map((remove) => ({ remove: { ...remove, dataChange: false } })),
    ...[...state.files.values()].map((add) => {
      const stats = withoutValues(add.stats)
      return { add: { ...add, partitionValues: add.partitionValues ?? {}, dataChange: false, stats } }
    }),
  ]
}

/** Writes one of this state. One that is there already, whoever wrote it, says the same. */
export async function writeCheckpoint(context: Context, state: TableState): Promise<void> {
  const { objects, codec, workspace } = context
  const actions = checkpointActions(state, context.now().getTime())
  const path = checkpointPath(state.version)
  await using local = await workspace.file('checkpoint.parquet')
  const size = await codec.writeCheckpoint(local.path, actions)
  const isOurs = (await objects.stat(path)) === undefined && (await uploaded(context, path, local.path))
  try {
    if (!(await readBack(context, state.version, state.files.size))) return
  } catch (error) {
    // It must not stand in the way of those who read the log, which is whole.
    if (isOurs) await objects.remove([path])
    throw error
  }
  const last = {
    version: state.version,
    size: actions.length,
    sizeInBytes: size,
    numOfAddFiles: state.files.size,
  }
  if ((await context.log.hint()) < state.version) await objects.put(LAST_CHECKPOINT, Buffer.from(JSON.stringify(last)))
}

/** False if somebody else was quicker. */
async function uploaded({ objects }: Context, path: string, local: string): Promise<boolean> {
  try {
    await objects.upload(path, local)
    return true
  } catch (error) {
    if (!(error instanceof StorageError) || error.details['outcome'] !== 'exists') throw error
    return false
  }
}

/** Before anything relies on it. False if a newer checkpoint has taken its place, and it was cleaned away. */
async function readBack(context: Context, version: number, files: number): Promise<boolean> {
  const { objects, codec, workspace, log } = context
  const path = checkpointPath(version)
  await using local = await workspace.file('checkpoint.parquet')
  if ((await objects.download(path, local.path)) === undefined) {
    if (((await log.newest())?.checkpoint ?? -1) > version) return false
    throw damagedFile(path, 'it is not there after writing')
  }
  const found = await codec.readCheckpoint(local.path).catch((error: unknown) => {
    throw damagedFile(path, 'it cannot be read back', error)
  })
  const adds = found.filter(({ add }) => add !== null && add !== undefined).length
  if (adds !== files) throw damagedFile(path, `it names ${adds} files instead of ${files}`)
  return true
}
