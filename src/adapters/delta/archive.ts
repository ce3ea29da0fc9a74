/** The archive as a Delta table over object storage (spec 07 §5, protocol (1,2)). */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Archive, ArchiveRow, MemberRow, MembersRequest, ScanRequest } from '../../ports/archive.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import { append } from './append.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { ParquetCodec } from './codec.ts'
import { compact } from './compact.ts'
import { confirm } from './confirm.ts'
import type { Context } from './context.ts'
import { missing } from './data-files.ts'
import { duckdbCodec } from './duckdb-codec.ts'
import { LocalFiles } from './local-files.ts'
import { LogReader } from './log-reader.ts'
import { rewrite } from './rewrite.ts'
import { scan } from './scan.ts'
import { scanMembers } from './scan-members.ts'
import { cleanLog, purge, vacuum } from './sweep.ts'
import { boundaryOf, snapshotOf } from './table-state.ts'
import { verify } from './verify.ts'
import { type Processes, TemporaryFolder, type Workspace } from './workspace.ts'

const MIB = 1_048_576

export interface ArchiveOptions {
  /** The table's folder; stays open when the archive is closed. */
  readonly objects: ObjectStore
  readonly now?: () => Date
  readonly newId?: () => string
  /** Folder for local copies; default: the system's temporary folder. */
  readonly temporary?: string
  /** Whose folders there may be removed because their process was killed; default: nobody's. */
  readonly processes?: Processes
  /** Another place for local files; the codec must know it. */
  readonly workspace?: Workspace
  /** Bytes of local copies that are kept for the next reader, default 1 GiB. */
  readonly localBytes?: number
  /** Memory of the Parquet library, default `256MB`; what does not fit goes to the temporary folder. */
  readonly memory?: string
  /** Another Parquet library. */
  readonly codec?: ParquetCodec
  /** Uncompressed bytes after which an append closes a file; the default gives files of 40 to 130 MB. */
  readonly fileBytes?: number
  /** Bytes that merged files come up to. */
  readonly compactBytes?: number
}

/** Nothing is read or created before the first call. */
export async function openDeltaArchive(options: ArchiveOptions): Promise<Archive> {
  const { objects, now = () => new Date(), newId = randomUUID, memory = '256MB' } = options
  const workspace = options.workspace ?? new TemporaryFolder(options.temporary, options.processes)
  const spill = async () => join(await workspace.folder(), 'spill')
  const codec = options.codec ?? duckdbCodec({ spill, memory })
  const { fileBytes = 256 * MIB, compactBytes = 128 * MIB, localBytes = 1_024 * MIB } = options
  const source = { objects, codec, workspace, missing: (path: string) => missing(context, path) }
  const local = new LocalFiles(source, localBytes)
  const log = new LogReader(objects, codec, workspace, ({ files }) => local.retain(files))
  const context: Context = { objects, codec, log, workspace, local, fileBytes, compactBytes, now, newId }
  const snapshot = async () => {
    const state = await log.newest()
    return state === null ? null : snapshotOf(state)
  }
  return {
    location: objects.location,
    snapshot,
    boundary: async (appId) => boundaryOf(await log.newest(), appId),
    append: (request) => append(context, request),
    async *scan(request: ScanRequest = {}): AsyncGenerator<ArchiveRow[]> {
      const version = request.snapshot ?? (await snapshot())
      if (version !== null) yield* scan(context, request, version)
    },
    async *scanMembers(request: MembersRequest): AsyncGenerator<MemberRow[]> {
      const version = request.snapshot ?? (await snapshot())
      if (version !== null) yield* scanMembers(context, request, version)
    },
    confirm: (request) => confirm(context, request),
    rewrite: (request) => rewrite(context, request),
    purge: (chosen = {}) => purge(context, chosen),
    vacuum: (chosen = {}) => vacuum(context, chosen),
    compact: () => compact(context),
    async checkpoint() {
      const state = await log.newest()
      if (state !== null) await writeCheckpoint(context, state)
      return state?.version ?? null
    },
    cleanLog: (chosen = {}) => cleanLog(context, chosen),
    verify: (chosen = {}) => verify(context, chosen),
    async close() {
      await codec.close()
      await workspace.close()
    },
  }
}
