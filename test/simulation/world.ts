/** One world of the simulation: shared database and bucket, the processes that use them, and what they may never see. */
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import type { ParquetCodec } from '../../src/adapters/delta/codec.ts'
import { tieredStore } from '../../src/adapters/tiered/store.ts'
import { COLD } from '../../src/engine/cold/slot.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Archive } from '../../src/ports/archive.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import type { Holder, Store } from '../../src/ports/store.ts'
import type { TierState } from '../../src/ports/tiers.ts'
import { Bucket, type Spoil } from './bucket.ts'
import { type FaultRates, Requests } from './faults.ts'
import type { StreamStyle } from './hot-connection.ts'
import { HotDatabase } from './hot-database.ts'
import { hotStore } from './hot-store.ts'
import { broken } from './invariants.ts'
import type { Disk } from './local-disk.ts'
import { Random } from './random.ts'
import { Rot } from './rot.ts'
import { type Chances, Process, Scheduler } from './scheduler.ts'
import { type Decode, TableView } from './table-view.ts'
import { Truth } from './truth.ts'

/** What a seed chooses beside the order of steps. */
export interface Settings {
  readonly steps: number
  readonly chances: Chances
  readonly faults: FaultRates
  readonly style: StreamStyle
  /** Uncompressed bytes of a data file. */
  readonly fileBytes: number
  /** Whether processes run on one machine, so that a dead one is known to be dead. */
  readonly oneMachine: boolean
  /** Whether stored files turn bad for a while. */
  readonly rot: boolean
  /** Rows that appends stop at. */
  readonly rows: number
}

/** How files are kept, and rules that are broken to see whether that is noticed. */
export interface Kit {
  disk(scheduler: Scheduler): Disk
  codec(disk: Disk, scheduler: Scheduler): ParquetCodec
  readonly decode: Decode
  /** Leaves no file that reads as it did before. */
  readonly spoil: Spoil
  /** See `Scheduler`. */
  readonly patience?: number
  readonly breaks?: Breaks
}

/** Wrappers around what the code under test is given; a rule that is kept has none. */
export interface Breaks {
  readonly hot?: (store: Store, world: World, process: Process) => Store
  readonly objects?: (objects: ObjectStore, world: World, process: Process, disk: Disk) => ObjectStore
  readonly archive?: (archive: Archive, world: World, process: Process) => Archive
}

/** A running program with everything it holds in memory. */
export interface Host {
  readonly process: Process
  readonly store: Store
  readonly archive: Archive
  readonly engine: Engine
}

const START = Date.UTC(2026, 0, 1)
const STEP_MS = 20
/** Longer than a slot is held without being renewed. */
const LONG_MS = 100_000

export class World {
  readonly random: Random
  readonly scheduler: Scheduler
  readonly requests: Requests
  readonly database: HotDatabase
  readonly bucket: Bucket
  readonly table: TableView
  readonly truth: Truth
  readonly settings: Settings
  readonly #kit: Kit
  readonly #dead = new Set<string>()
  /** Reads that were completed and compared. */
  reads = 0
  /** What work came to its end, and how often. */
  readonly done = new Map<string, number>()
  /** What work failed with, and how often. */
  readonly failures = new Map<string, number>()
  #ids = 0
  #jumped = 0
  #processes = 0
  readonly rot: Rot
  /** Whether rows get other contents, and how many such changes are under way. */
  changes = true
  changing = 0

  constructor(seed: number, kit: Kit, choose: (random: Random) => Settings) {
    this.random = new Random(seed)
    this.settings = choose(this.random)
    this.#kit = kit
    this.scheduler = new Scheduler(this.random, kit.patience)
    this.requests = new Requests(this.scheduler)
    this.database = new HotDatabase(this.requests)
    this.bucket = new Bucket(this.requests, () => this.now(), kit.spoil)
    this.table = new TableView(this.bucket, kit.decode)
    this.truth = new Truth(this.scheduler)
    this.rot = new Rot(this)
    this.database.onCommit = (process, before) => {
      if (moved(before.tier, this.database.committed.tier) && !this.#holdsCold(process)) {
        this.scheduler.fail(`${process.name} moves the tiers without holding their slot`)
      }
      this.check()
    }
    this.bucket.onChange = (path) => {
      if (this.table.take(path) || this.table.has(path)) this.check()
    }
    this.scheduler.onCrash = (process) => {
      this.#dead.add(process.name)
      this.database.disconnect(process)
    }
    this.scheduler.onStop = (process) => {
      this.database.disconnect(process)
      if (this.random.chance(0.6)) this.#jumped += LONG_MS
    }
  }

  now(): Date {
    return new Date(START + this.#jumped + this.scheduler.step * STEP_MS)
  }

  /** So that every slot that is held now can be had. */
  wait(): void {
    this.#jumped += LONG_MS
  }

  readonly newId = (): string => {
    this.#ids += 1
    return `id${String(this.#ids).padStart(8, '0')}`
  }

  async boot(name: string): Promise<Host> {
    this.#processes += 1
    const process = new Process(`${name}.${this.#processes}`)
    const disk = this.#kit.disk(this.scheduler)
    const { hot: breakHot = same, objects: breakObjects = same, archive: breakArchive = same } = this.#kit.breaks ?? {}
    const objects = breakObjects(this.bucket.connect(process, disk), this, process, disk)
    const archive = await openDeltaArchive({
      objects,
      workspace: disk.workspace,
      codec: this.#kit.codec(disk, this.scheduler),
      now: () => this.now(),
      newId: this.newId,
      fileBytes: this.settings.fileBytes,
      compactBytes: 20_000,
    })
    const hot = hotStore({
      database: this.database,
      process,
      style: this.settings.style,
      now: () => this.now(),
      isDead: (holder) => this.#isDead(holder),
    })
    const store = tieredStore(breakHot(hot, this, process), breakArchive(archive, this, process))
    const engine = new Engine({
      store,
      clock: () => this.now(),
      newId: this.newId,
      logger: SILENT,
      deadLetter: null,
      batchSize: 10,
      processStart: process.name,
    })
    return { process, store, archive, engine }
  }

  check(): void {
    const problem = broken(this.database.committed, this.table, this.truth, this.rot.files)
    if (problem !== null) this.scheduler.fail(problem)
  }

  #holdsCold({ name }: Process): boolean {
    return this.database.committed.locks.get(COLD)?.holder?.startedAt === name
  }

  #isDead(holder: Holder): boolean {
    return this.settings.oneMachine && this.#dead.has(holder.startedAt)
  }
}

/** Whether rows were claimed, archived or pruned. */
function moved(before: TierState | null, after: TierState | null): boolean {
  return (['claimed', 'flushed', 'pruned'] as const).some((key) => (before?.[key] ?? 0) !== (after?.[key] ?? 0))
}

const same = <T>(one: T): T => one

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT }
