/** The log as objects: the newest state of the table with as few reads as it takes. */
import { StorageError } from '../../errors.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import { parseAction, parseCommit } from './actions.ts'
import { CodecError, type ParquetCodec } from './codec.ts'
import { damagedFile } from './context.ts'
import { checkpointPath, commitPath, LAST_CHECKPOINT, LOG, padded, parseLogName } from './log-names.ts'
import { type Commit, replay, type TableState } from './table-state.ts'
import type { Workspace } from './workspace.ts'

/** Commits fetched at the same time. */
const PARALLEL = 8

/** How often the log is listed while others clean it. */
const LOOKS = 10

const GONE = 'E_ARCHIVE_VERSION'

export class LogReader {
  readonly #objects: ObjectStore
  readonly #codec: ParquetCodec
  readonly #workspace: Workspace
  readonly #seen: (state: TableState) => Promise<void>
  #known: TableState | null = null

  /** @param seen is told of every newer state before anybody goes on with it */
  constructor(
    objects: ObjectStore,
    codec: ParquetCodec,
    workspace: Workspace,
    seen: (state: TableState) => Promise<void>,
  ) {
    this.#objects = objects
    this.#codec = codec
    this.#workspace = workspace
    this.#seen = seen
  }

  /** The newest state; null if there is no table. */
  async newest(): Promise<TableState | null> {
    const state = (await this.#newer()) ?? (await this.#whole())
    // A slower call of the same process must not bring an older state back.
    const before = this.#known?.version ?? -1
    if (state !== null && state.version >= before) this.#known = state
    if (state !== null && state.version > before) await this.#seen(state)
    return state
  }

  /** Version that `_last_checkpoint` names; -1 if it is absent or unreadable: it is a hint. */
  async hint(): Promise<number> {
    const body = await this.#objects.get(LAST_CHECKPOINT)
    try {
      const { version } = JSON.parse(Buffer.from(body ?? '').toString('utf8')) as { version?: unknown }
      return Number.isSafeInteger(version) ? (version as number) : -1
    } catch {
      return -1
    }
  }

  /**
   * The known state and the commits after it; null if nothing is known, if the commits do not follow it without a gap, or
   * if the log has a newer checkpoint. Then that one counts, because the commits before it may have been cleaned and a late
   * writer may have put one in their place.
   */
  async #newer(): Promise<TableState | null> {
    const known = this.#known
    if (known === null) return null
    const names = await this.#names(`${LOG}${padded(known.version)}`)
    const checkpoint = Math.max(known.checkpoint, ...names.checkpoints)
    const there = names.commits.includes(known.version) || names.checkpoints.includes(known.version)
    if (!there || checkpoint > known.version) return null
    const versions = names.commits.filter((version) => version > known.version)
    if (versions.length === 0 && checkpoint === known.checkpoint) return known
    const state = await this.#commits(versions)
      .then((commits) => replay(known, commits, checkpoint))
      .catch(unlessUnfit)
    return state instanceof StorageError ? null : state
  }

  /**
   * What the whole log gives. A listing is not of one moment, and its entries are fetched later: where another process
   * writes a checkpoint and cleans the log before it meanwhile, entries are missing although a checkpoint that was not
   * listed yet covers them. The next listing has that one; so only what two of them show alike is damage, or no table.
   */
  async #whole(): Promise<TableState | null> {
    const hinted = await this.#hinted()
    if (hinted !== null) return hinted
    let before: StorageError | null | undefined
    for (let look = 0; look < LOOKS; look += 1) {
      const found = await this.#fromAny(await this.#names(LOG)).catch(unlessUnfit)
      if (found !== null && !(found instanceof StorageError)) return found
      if (found?.recoverable) continue
      if (before === undefined || before?.message !== found?.message) before = found
      else if (found === null) return null
      else throw found
    }
    throw versionGone()
  }

  /** From the newest checkpoint that the hint leads to; null if that leads nowhere. */
  async #hinted(): Promise<TableState | null> {
    const hint = await this.hint()
    if (hint < 0) return null
    const names = await this.#names(`${LOG}${padded(hint)}`)
    const checkpoint = Math.max(-1, ...names.checkpoints)
    if (checkpoint < hint) return null
    const state = await this.#from(names, checkpoint).catch(unlessUnfit)
    return state instanceof StorageError ? null : state
  }

  /**
   * State from the newest checkpoint that can be read, else from version 0; null if there is no log at all. A damaged
   * checkpoint does no harm as long as the log before it is there.
   */
  async #fromAny(names: LogNames): Promise<TableState | null> {
    let damage: StorageError | null = null
    for (const checkpoint of [...names.checkpoints.toSorted((a, b) => b - a), -1]) {
      const state = await this.#from(names, checkpoint).catch(unlessUnfit)
      if (!(state instanceof StorageError)) return state
      damage ??= state
    }
    throw damage
  }

  /** State from this checkpoint (-1: version 0) and the commits after it; null if there is nothing at all. */
  async #from(names: LogNames, checkpoint: number): Promise<TableState | null> {
    const versions = names.commits.filter((version) => version > checkpoint)
    if (checkpoint < 0 && versions.length === 0) return null
    if (checkpoint < 0 && versions[0] !== 0) {
      throw new StorageError(
        `The archive's log begins with version ${versions[0]} and no checkpoint that this program reads stands before it. Restore '_delta_log' from a backup.`,
        { details: { operation: 'read', driver: 'delta' } },
      )
    }
    const base: Commit[] = checkpoint < 0 ? [] : [await this.#checkpoint(checkpoint)]
    return replay(null, [...base, ...(await this.#commits(versions))], checkpoint)
  }

  async #names(after: string): Promise<LogNames> {
    const names: LogNames = { commits: [], checkpoints: [] }
    for await (const { path } of this.#objects.list(LOG, { after })) {
      const name = parseLogName(path)
      if (name?.kind === 'commit') names.commits.push(name.version)
      else if (name?.kind === 'checkpoint') names.checkpoints.push(name.version)
    }
    return names
  }

  /** @throws StorageError `E_ARCHIVE_VERSION` if one has been removed since it was listed */
  async #commits(versions: readonly number[]): Promise<Commit[]> {
    const commits: Commit[] = []
    for (let at = 0; at < versions.length; at += PARALLEL) {
      const some = versions.slice(at, at + PARALLEL)
      const bodies = await Promise.all(some.map((version) => this.#objects.get(commitPath(version))))
      for (const [index, body] of bodies.entries()) {
        if (body === undefined) throw versionGone()
        const version = some[index]!
        commits.push({ version, actions: parseCommit(body, commitPath(version)) })
      }
    }
    return commits
  }

  async #checkpoint(version: number): Promise<Commit> {
    const path = checkpointPath(version)
    await using local = await this.#workspace.file('checkpoint.parquet')
    if ((await this.#objects.download(path, local.path)) === undefined) throw versionGone()
    try {
      const rows = await this.#codec.readCheckpoint(local.path)
      return { version, actions: rows.map((row) => parseAction(row, path)).filter((action) => action !== null) }
    } catch (error) {
      if (error instanceof CodecError) throw damagedFile(path, error.message, error)
      throw error
    }
  }
}

/** Damage, and what has been cleaned away, is for whoever knows of other ways; anything else is thrown on. */
function unlessUnfit(error: unknown): StorageError {
  if (error instanceof StorageError && (!error.recoverable || error.code === GONE)) return error
  throw error
}

interface LogNames {
  readonly commits: number[]
  readonly checkpoints: number[]
}

/** What was read has been cleaned away by somebody else. */
export function versionGone(): StorageError {
  return new StorageError('The version of the archive that was being read is no longer available; read again.', {
    code: GONE,
    recoverable: true,
    details: { operation: 'read', driver: 'delta' },
  })
}
