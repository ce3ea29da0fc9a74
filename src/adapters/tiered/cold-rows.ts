/**
 * Archived rows by their sequences, for readers inside and outside units of work. Nothing remote happens inside a
 * transaction (spec 07 §3): a unit that meets archived rows it does not have is rolled back, the rows are fetched, and
 * the unit runs again.
 */
import { ConfigError, StorageError } from '../../errors.ts'
import type { Archive, ArchiveColumn, ArchiveRow, ArchiveSnapshot } from '../../ports/archive.ts'
import type { Store, Tx, Unit } from '../../ports/store.ts'
import type { StagedChange } from '../../ports/tiers.ts'
import { SCAN_COLUMNS } from './columns.ts'
import { bySequence, resuming } from './merge.ts'
import { settleChanges } from './settle.ts'
import { lossIn } from './whole.ts'

/** How often one unit may find that it needs other archived rows: once for each kind of read, and for changes meanwhile. */
const ROUNDS = 20

/** Thrown inside a unit that needs archived rows; ends its transaction. */
class RowsNeeded extends Error {
  readonly sequences: readonly number[]

  constructor(sequences: readonly number[]) {
    super('archived rows are needed')
    this.sequences = sequences
  }
}

/** What one try of a unit changes in archived rows: it reads them as it leaves them. Null: emptied. */
class Changes {
  readonly rows = new Map<number, StagedChange['change'] | null>()
  /** What was staged last when it began. */
  last = 0
}

/** What was fetched for one unit; right as long as no change of archived rows was committed since. */
class Fetched {
  /** Null: not archived, or nothing that a replay sees. */
  readonly rows = new Map<number, ArchiveRow | null>()
  /** Number of changes, and the last staged one, when they were fetched. */
  job = -1
  last = -1
}

export class ColdRows {
  readonly #hot: Store
  readonly #archive: Archive | null
  readonly #units = new WeakMap<Tx, Fetched>()
  readonly #changes = new WeakMap<Tx, Changes>()

  constructor(hot: Store, archive: Archive | null) {
    this.#hot = hot
    this.#archive = archive
  }

  /**
   * The archive with all committed changes in it, and its newest version. Outside units only.
   * @throws StorageError `E_COLD_INCOMPLETE` if rows are missing that are nowhere else
   */
  async current(): Promise<{ archive: Archive; snapshot: ArchiveSnapshot | undefined }> {
    this.#open()
    await this.settle()
    return this.#whole()
  }

  /** The archive as it is, with everything that left the database. */
  async #whole(): Promise<{ archive: Archive; snapshot: ArchiveSnapshot | undefined }> {
    const archive = this.#open()
    // In this order: what the database says has left it was archived before.
    const pruned = (await this.#hot.tiers.state())?.pruned ?? 0
    const snapshot = await archive.snapshot()
    const loss = lossIn(snapshot, pruned)
    if (loss === null) return { archive, snapshot: snapshot ?? undefined }
    throw new StorageError(
      `The archive in '${archive.location}' lacks events that are nowhere else (up to sequence ${pruned}): ${loss}. Another program has changed it. See what 'defacto cold verify' says, and bring an earlier version or a backup of the folder back.`,
      { code: 'E_COLD_INCOMPLETE', details: { operation: 'ledger.read', driver: 'tiered', place: archive.location } },
    )
  }

  async settle(): Promise<void> {
    if (this.#archive !== null) await settleChanges(this.#hot, this.#archive)
  }

  /** As the hot store's `transaction`, for work that may read archived rows. */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const fetched = new Fetched()
    for (let round = 0; round < ROUNDS; round += 1) {
      try {
        return await this.#hot.transaction((tx) => {
          this.#units.set(tx, fetched)
          this.#changes.delete(tx)
          return work(tx)
        })
      } catch (error) {
        if (!(error instanceof RowsNeeded)) throw error
        await this.#fetch(fetched, error.sequences)
      }
    }
    throw new StorageError('Archived rows changed again and again while they were read; try again.', {
      recoverable: true,
      details: { operation: 'ledger.read', driver: 'tiered' },
    })
  }

  /** The archived ones of these rows, without `raw`. */
  async get(unit: Unit | null, sequences: readonly number[]): Promise<Map<number, ArchiveRow>> {
    if (sequences.length === 0) return new Map()
    if (unit === null) {
      const rows = new Map<number, ArchiveRow>()
      for await (const row of this.rows(sequences, SCAN_COLUMNS)) rows.set(row.sequence, row)
      return rows
    }
    const fetched = this.#units.get(unit.tx)
    const state = await this.#hot.tiers.state(unit)
    const changes = this.#changes.get(unit.tx)
    const last = changes?.last ?? (await this.#hot.tiers.lastStaged(unit))
    const valid = fetched?.job === state?.job && fetched?.last === last
    if (fetched === undefined || !valid) throw new RowsNeeded(sequences)
    const missing = sequences.filter((sequence) => !fetched.rows.has(sequence))
    if (missing.length > 0) throw new RowsNeeded(missing)
    return new Map(
      sequences.flatMap((sequence) => {
        const row = fetched.rows.get(sequence)
        const change = changes?.rows.get(sequence)
        return row && change !== null ? [[sequence, { ...row, ...change }]] : []
      }),
    )
  }

  /** Tells what the unit is about to stage, so that what it reads afterwards is what it will have left. */
  async changing(unit: Unit, changes: Iterable<readonly [number, StagedChange['change'] | null]>): Promise<void> {
    let known = this.#changes.get(unit.tx)
    if (known === undefined) {
      known = new Changes()
      known.last = await this.#hot.tiers.lastStaged(unit)
      this.#changes.set(unit.tx, known)
    }
    for (const [sequence, change] of changes) {
      const before = known.rows.get(sequence)
      known.rows.set(sequence, change === null || before === null ? null : { ...before, ...change })
    }
  }

  /** The raw records of archived rows. Outside units only. */
  async raws(sequences: readonly number[]): Promise<Map<number, string>> {
    const raws = new Map<number, string>()
    if (sequences.length === 0) return raws
    for await (const { sequence, raw } of this.rows(sequences, ['raw'])) if (raw !== null) raws.set(sequence, raw)
    return raws
  }

  async #fetch(fetched: Fetched, sequences: readonly number[]): Promise<void> {
    const { tiers } = this.#hot
    // Read before the rows: what is staged meanwhile makes them be fetched again.
    const last = await tiers.lastStaged()
    const job = (await tiers.state())?.job ?? -1
    if (job !== fetched.job || last !== fetched.last) fetched.rows.clear()
    fetched.job = job
    fetched.last = last
    for (const sequence of sequences) fetched.rows.set(sequence, null)
    for await (const row of this.rows(sequences, SCAN_COLUMNS)) fetched.rows.set(row.sequence, row)
  }

  /** The archived ones of these rows by sequence. Outside units only. */
  async *rows(sequences: readonly number[], columns: readonly ArchiveColumn[]): AsyncGenerator<ArchiveRow> {
    for await (const rows of resuming(() => this.#scan(sequences, columns), bySequence)) yield* rows
  }

  /** Changes that wait are laid over the rows: a few rows are no reason to write whole files anew. */
  async *#scan(sequences: readonly number[], columns: readonly ArchiveColumn[]): AsyncGenerator<ArchiveRow[]> {
    const changes = await this.#staged(sequences)
    const { archive, snapshot } = await this.#whole()
    for await (const rows of archive.scan({ sequences, columns, snapshot })) {
      yield changes.size === 0 ? rows : rows.map((row) => laidOver(row, changes.get(row.sequence), columns))
    }
  }

  /** Before the archive is looked at: what was carried over since is in both. */
  async #staged(sequences: readonly number[]): Promise<ReadonlyMap<number, StagedChange['change']>> {
    const { tiers } = this.#hot
    const range = { from: Math.min(...sequences), to: Math.max(...sequences) }
    if (sequences.length === 0 || (await tiers.lastStaged()) === 0) return new Map()
    const staged = await tiers.staged(Number.MAX_SAFE_INTEGER, range)
    return new Map(staged.map(({ sequence, change }) => [sequence, change]))
  }

  #open(): Archive {
    if (this.#archive !== null) return this.#archive
    throw new ConfigError(
      "Part of this ledger lies in its cold tier, and no place for it was given; name it with the option 'coldLedger'.",
      { code: 'E_CONFIG_COLD_LEDGER_MISSING', details: { option: 'coldLedger' } },
    )
  }
}

/** As `settle.ts` would write it, in the columns that are read. */
function laidOver(
  row: ArchiveRow,
  change: StagedChange['change'] | undefined,
  columns: readonly ArchiveColumn[],
): ArchiveRow {
  if (change === undefined) return row
  // A tombstone stays one.
  if (columns.includes('eventType') && row.eventType === null && change.eventType !== null) return row
  const read = Object.fromEntries(Object.entries(change).filter(([name]) => columns.includes(name as ArchiveColumn)))
  return { ...row, ...read }
}
