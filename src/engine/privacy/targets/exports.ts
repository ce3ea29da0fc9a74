/**
 * Exports as a store of an erasure (spec 05 §4.5): what was written of the entities' types is named in the certificate, or,
 * where it was asked for, loses the rows of the person.
 */
import { DefactoError, StorageError } from '../../../errors.ts'
import type { ErasureTarget, FrozenSubject, TargetCall, TargetOutcome } from '../../../ports/erasure.ts'
import type { Purge, Purged } from '../../../ports/export-purge.ts'
import type { ExportLog, ExportRow } from '../../../ports/exports.ts'
import type { Outstanding, PrivacyPort, VerifyMethod } from '../../../ports/privacy.ts'

/** Takes rows out of one export; `problem` where it is out of reach. Rejects recoverably where it does not answer. */
export type Purger = (row: ExportRow, purge: Purge) => Promise<Purged>

const STORE = 'exports'

export class ExportsTarget implements ErasureTarget {
  readonly name = STORE
  readonly #exports: ExportLog
  readonly #privacy: PrivacyPort
  readonly #purger: Purger

  constructor(exports: ExportLog, privacy: PrivacyPort, purger: Purger) {
    this.#exports = exports
    this.#privacy = privacy
    this.#purger = purger
  }

  async plan(subject: FrozenSubject): Promise<number> {
    return (await this.#concerned(subject)).length
  }

  /** Each export is rewritten once for all subjects. One that does not answer keeps none of the others from it. */
  async erase(subjects: readonly FrozenSubject[], call: TargetCall): Promise<readonly TargetOutcome[]> {
    const rows = await this.#exports.list()
    const wanted = await this.#wanted(subjects)
    const items = subjects.map(() => 0)
    const outstanding = subjects.map((): Outstanding[] => [])
    let failure: unknown = null
    for (const [done, row] of rows.entries()) {
      const concerned = subjects.flatMap((subject, i) => (concerns(row, subject) ? [i] : []))
      for (const i of concerned.filter((one) => wanted[one] !== true)) outstanding[i]?.push(named(row))
      const purging = concerned.filter((i) => wanted[i] === true)
      if (purging.length === 0) continue
      const given = purging.map((i) => subjects[i] as FrozenSubject)
      const purged = await this.#purged(row, given, call.signal).catch((error: unknown) => {
        call.signal?.throwIfAborted()
        failure ??= error
        return null
      })
      for (const i of purging) {
        for (const { id } of subjects[i]?.entities ?? []) items[i] = (items[i] ?? 0) + (purged?.rows.get(id) ?? 0)
        if (purged !== null && purged.problem !== null) outstanding[i]?.push(left(row, purged.problem))
      }
      call.progress?.(done + 1, rows.length)
    }
    if (failure !== null) throw failure
    return subjects.map((_, i) => ({
      action: wanted[i] === true ? 'purged' : 'declared',
      items: items[i] ?? 0,
      outstanding: outstanding[i] ?? [],
    }))
  }

  async verify(subject: FrozenSubject): Promise<{ remaining: number; method: VerifyMethod }> {
    const [wanted] = await this.#wanted([subject])
    if (wanted !== true) return { remaining: 0, method: 'declared' }
    let remaining = 0
    for (const row of await this.#concerned(subject)) {
      const { rows, problem } = await this.#purged(row, [subject], undefined, true)
      // What is out of reach is named, and not looked for for ever.
      if (problem === null) for (const count of rows.values()) remaining += count
    }
    return { remaining, method: 'scan' }
  }

  async #concerned(subject: FrozenSubject): Promise<ExportRow[]> {
    return (await this.#exports.list()).filter((row) => concerns(row, subject))
  }

  async #wanted(subjects: readonly FrozenSubject[]): Promise<boolean[]> {
    const requests = await Promise.all(subjects.map(({ requestId }) => this.#privacy.request(requestId)))
    return requests.map((request) => request?.options.purgeExports === true)
  }

  async #purged(
    row: ExportRow,
    subjects: readonly FrozenSubject[],
    signal?: AbortSignal,
    dryRun?: boolean,
  ): Promise<Purged> {
    const entities = subjects.flatMap((subject) => subject.entities)
    const purge: Purge = {
      ids: entities.map(({ id }) => id),
      types: row.entityTypes.filter((type) => entities.some((entity) => entity.type === type)),
      ...(signal && { signal }),
      ...(dryRun === true && { dryRun }),
    }
    try {
      return await this.#purger(row, purge)
    } catch (error) {
      if (!(error instanceof DefactoError)) throw error
      if (error.recoverable) {
        // Its own words may name places.
        throw new StorageError(
          `export ${row.exportId} does not answer or is in use (${error.code}); it is asked again`,
          {
            details: { operation: 'erase', exportId: row.exportId },
            recoverable: true,
            cause: error,
          },
        )
      }
      return { rows: new Map(), problem: `it cannot be read or changed (${error.code}); remove it, or export again` }
    }
  }
}

/** Whether the export may hold the person: those begun later than the pivot read what was there then. */
function concerns(row: ExportRow, { entities, exports, pivotAt }: FrozenSubject): boolean {
  if (!entities.some(({ type }) => row.entityTypes.includes(type))) return false
  return exports.includes(row.exportId) || row.rows === null || pivotAt === null || row.at <= pivotAt
}

function named(row: ExportRow): Outstanding {
  return left(row, `a ${row.format} export of these entity types, written at ${row.at}; its rows were not asked to go`)
}

function left(row: ExportRow, reason: string): Outstanding {
  return { store: `export:${row.exportId}`, reason, until: null }
}
