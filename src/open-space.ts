/** Opening a space: options to adapters to engine, and which version a process works with (spec 09 §2, 04 §4.11). */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { FileDeadLetterSink } from './adapters/dead-letter/file.ts'
import { TableDeadLetterSink } from './adapters/dead-letter/table.ts'
import { isDead as isDeadProcess, processStartTime } from './adapters/host/process-identity.ts'
import { adoptLogger, createLogger } from './adapters/log/logger.ts'
import { tieredStore } from './adapters/tiered/store.ts'
import type { ColdLedger } from './cold-options.ts'
import { openColdPlace } from './cold-place.ts'
import type { Compliance } from './compliance.ts'
import { type Instant, instantFromDate } from './core/instant.ts'
import { compileProgram, type ProgramOptions } from './core/program.ts'
import { fileLetters, tableLetters } from './dead-letters.ts'
import type { Definitions } from './definitions.ts'
import { Editions, programOf } from './editions.ts'
import { reconcileCold } from './engine/cold/compare.ts'
import { type Edition, Engine } from './engine/engine.ts'
import { isOver } from './engine/slot.ts'
import { buildStateOf, registerVersion } from './engine/versions.ts'
import { ConfigError } from './errors.ts'
import { type GraphPlace, openGraphPlace } from './graph-place.ts'
import { type CheckedOptions, checkOptions, isPostgres, sqlitePath } from './options.ts'
import type { DeadLetterBox, DeadLetterSink } from './ports/dead-letter.ts'
import type { Logger } from './ports/logger.ts'
import type { Holder, Store } from './ports/store.ts'

export interface OpenedSpace {
  readonly engine: Engine
  readonly logger: Logger
  readonly programOptions: ProgramOptions
  /** What `ingest`, `build` and `tick` use. */
  readonly working: Edition
  /** What queries see: the working version once it has been built, until then the active one. */
  readonly readable: Edition
  readonly editions: Editions
  readonly catchUp: boolean
  /** Null: the ledger lies in the database alone. */
  readonly cold: ColdLedger | null
  /** Whether a holder of this machine is known to be gone. */
  readonly isDead: (holder: Holder) => boolean
  /** Null: graph operations read the store. */
  readonly graph: GraphPlace | null
  readonly compliance: Compliance
  readonly mode: 'development' | 'production'
  /** What the dead letter sink stored; null for other sinks than file and table, and none. */
  readonly letters: DeadLetterBox | null
  /** Removes what was made only for this process. */
  readonly cleanup: () => Promise<void>
}

/**
 * Checks options and definitions before anything is opened, then opens the store and settles the versions. With
 * `compare` false, database and archive may be apart from each other: for the one who brings them together.
 */
export async function openSpace(definitions: Definitions, given: object, compare: boolean): Promise<OpenedSpace> {
  const options = checkOptions(given)
  const logger =
    options.logger === undefined
      ? createLogger({ level: options.logLevel, format: options.logFormat })
      : adoptLogger(options.logger)
  const checked = definitions.assertValid({ strict: options.strict, expressionClock: options.expressionClock })
  for (const issue of checked.issues) {
    logger.child('defacto.lifecycle').warn('definition warning', { code: issue.code, path: issue.path })
  }
  const programOptions: ProgramOptions = {
    schemaValidation: options.schemaValidation,
    expressionClock: options.expressionClock,
  }
  const program = compileProgram(definitions.toObject(), programOptions)
  const sink = deadLetterSink(options.deadLetter)
  const clock = options.clock ?? (() => new Date())
  const graph = options.graph === undefined ? null : await openGraphPlace(options.graph)
  const { store, cold, cleanup } = await openStore(options, clock, logger).catch(async (error) => {
    await graph?.close()
    throw error
  })
  try {
    const deadLetter = sink === 'table' ? new TableDeadLetterSink(store, () => clockInstant(clock)) : sink
    const engine = new Engine({
      store,
      clock,
      logger,
      deadLetter,
      newId: options.newId ?? randomUUID,
      batchSize: options.batchSize ?? 100,
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
      processStart: processStartTime(process.pid) ?? '',
      ...(options.redactionKey === undefined ? {} : { redactionKey: options.redactionKey }),
    })
    // A wrong key is told at once, and no unit has to wait for the right one.
    await engine.digests()
    if (store.archive === null) await refuseWithoutArchive(store)
    else if (compare) await reconcileCold(engine)
    const own = { version: options.version ?? program.version, program }
    const chosen = await chooseVersion(engine, own, options.activate ?? 'if-new', programOptions)
    const editions = new Editions(store.versions, programOptions, [chosen.working, chosen.readable])
    await editions.refresh()
    return {
      engine,
      logger,
      programOptions,
      editions,
      cleanup,
      catchUp: options.catchUp !== false,
      cold,
      graph,
      compliance: options.compliance,
      mode: options.mode ?? 'development',
      letters: lettersOf(deadLetter, store),
      isDead,
      ...chosen,
    }
  } catch (error) {
    await graph?.close()
    await store.close()
    await cleanup()
    throw error
  }
}

/**
 * The given definitions become the working version if they are new to the space (registered just now, or never built
 * to the end) or `activate` is `always`; else the active version stays. Readers change over when it has been built.
 */
async function chooseVersion(
  engine: Engine,
  given: Edition,
  policy: 'if-new' | 'always' | 'never',
  programOptions: ProgramOptions,
): Promise<{ working: Edition; readable: Edition }> {
  const { store } = engine
  const before = await store.versions.active()
  if (policy !== 'never' || before === undefined) await registerVersion(engine, given)
  const activeRow = before ?? (await store.versions.active())
  const active =
    activeRow === undefined || activeRow.version === given.version
      ? given
      : { version: activeRow.version, program: programOf(activeRow.definitions, programOptions) }
  const isNew = policy === 'if-new' && (await buildStateOf(engine, given)).lastBuildTime === null
  const wanted = policy === 'always' || isNew
  if (!wanted && active.version !== given.version) {
    engine.logger.child('defacto.lifecycle').warn('these definitions are not the active version of the space', {
      version: given.version,
      active: active.version,
    })
  }
  await store.reader.refresh()
  return { working: wanted ? given : active, readable: active }
}

function isDead(holder: Holder): boolean {
  return isOver(holder) || isDeadProcess(holder)
}

interface OpenedStore {
  readonly store: Store
  /** Where its archive is. */
  readonly cold: ColdLedger | null
  readonly cleanup: () => Promise<void>
}

/** The database with the archive behind it. A wrong address of either is found before anything is made. */
async function openStore(options: CheckedOptions, clock: () => Date, logger: Logger): Promise<OpenedStore> {
  const given = options.coldLedger === undefined ? null : await openColdPlace(options.coldLedger, isDead)
  try {
    const hot = await openDatabase(options, clock, logger)
    const cold = options.coldLedger ?? (await archiveBeside(hot.store))
    const place = given ?? (cold === null ? null : await openColdPlace(cold, isDead))
    const cleanup = async (): Promise<void> => {
      await place?.close()
      await hot.cleanup()
    }
    return { store: tieredStore(hot.store, place?.archive ?? null), cold, cleanup }
  } catch (error) {
    await given?.close()
    throw error
  }
}

/** A file whose ledger has an archive may have it in the folder `cold` beside it, as the sample does. */
async function archiveBeside({ dialect, location, tiers }: Store): Promise<ColdLedger | null> {
  if (dialect !== 'sqlite' || (await tiers.state()) === null) return null
  const url = join(dirname(location), 'cold')
  return existsSync(join(url, '_delta_log')) ? { url, storage: {} } : null
}

/** Rows that are only in the archive would be missing in every build. */
async function refuseWithoutArchive(store: Store): Promise<void> {
  const state = await store.tiers.state()
  if (state === null || state.pruned === 0) return
  throw new ConfigError(
    `events up to ${state.pruned} of this space are in its cold ledger only: name its place in the option 'coldLedger', as 'cold_ledger' in the configuration file or in DEFACTO_COLD_LEDGER`,
    { code: 'E_CONFIG_COLD_LEDGER_MISSING', details: { pruned: state.pruned } },
  )
}

/** The store the URL asks for (spec 07 §1); drivers are loaded when they are needed. */
async function openDatabase(
  options: CheckedOptions,
  clock: () => Date,
  logger: Logger,
): Promise<{ store: Store; cleanup: () => Promise<void> }> {
  const { database, namespace, migrations, shardId, totalShards } = options
  const common = { namespace, migrations, now: () => clockInstant(clock), isDead }
  if (database !== undefined && isPostgres(database)) {
    const shard =
      shardId === undefined || totalShards === undefined ? {} : { shard: { id: shardId, total: totalShards } }
    const { openPostgresStore } = await import('./adapters/postgres/store.ts')
    const store = await openPostgresStore({ url: database, ...options.pool, ...shard, ...common })
    return { store, cleanup: async () => undefined }
  }
  const { openSqliteStore } = await import('./adapters/sqlite/store.ts')
  if (database !== undefined) {
    return { store: await openSqliteStore({ path: sqlitePath(database), ...common }), cleanup: async () => undefined }
  }
  const directory = await mkdtemp(join(tmpdir(), 'defacto-'))
  logger.child('defacto.storage').info('temporary database, removed on close', { path: directory })
  const cleanup = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    return { store: await openSqliteStore({ path: join(directory, 'defacto.db'), ...common }), cleanup }
  } catch (error) {
    await cleanup()
    throw error
  }
}

/** `table`: one that comes with the store. */
function deadLetterSink(option: CheckedOptions['deadLetter']): DeadLetterSink | 'table' | null {
  if (option === undefined) return null
  if ('send' in option) return option
  if (option.type === 'file') return new FileDeadLetterSink(option.path, { maxBytes: option.maxBytes })
  if (option.type === 'table') return 'table'
  throw new ConfigError(
    "dead letter sinks here are {type: 'file', path}, {type: 'table'} or an object with send() and close()",
  )
}

function lettersOf(sink: DeadLetterSink | null, store: Store): DeadLetterBox | null {
  if (sink instanceof FileDeadLetterSink) return fileLetters(sink.path)
  return sink instanceof TableDeadLetterSink ? tableLetters(store.log.letters, store.location) : null
}

function clockInstant(clock: () => Date): Instant {
  const now = instantFromDate(clock())
  if (now === null) throw new ConfigError('the clock option gives no valid time')
  return now
}
