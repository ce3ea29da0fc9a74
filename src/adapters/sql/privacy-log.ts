/** What is stored about erasures, redactions and holds, the same on every database (spec 05 §4.3, 10 §10). */
import { ConflictError, NotFoundError } from '../../errors.ts'
import type { CertificateRow, PrivacyPort } from '../../ports/privacy.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { CERTIFICATE } from './privacy-columns.ts'
import { ErasureJournal } from './privacy-journal.ts'
import { StoredRequests } from './privacy-requests.ts'
import type { LogDatabase } from './run-log-database.ts'

/** Before the first certificate. */
const NOTHING = '0'.repeat(64)
/** Secrets lie beside the notes, under names that no note has. */
const SECRET = 'secret/'

export function createPrivacyPort(database: LogDatabase): PrivacyPort {
  const requests = new StoredRequests(database)
  const journal = new ErasureJournal(database)
  const chain = new CertificateChain(database, journal)
  const notes = new PrivacyNotes(database)
  return {
    create: (request, options) => requests.create(request, options),
    request: (requestId, unit) => requests.request(requestId, unit),
    requests: (filter) => requests.requests(filter),
    change: (requestId, change, options) => requests.change(requestId, change, options),
    addHold: (hold, unit) => requests.addHold(hold, unit),
    holds: (options) => requests.holds(options),
    releaseHold: (holdId, at) => requests.releaseHold(holdId, at),
    freeze: (unit, erasure) => journal.freeze(unit, erasure),
    erasure: (requestId, unit) => journal.erasure(requestId, unit),
    openErasures: (unit) => journal.openErasures(unit),
    changeErasure: (requestId, change, unit) => journal.changeErasure(requestId, change, unit),
    setStore: (requestId, store, state) => journal.setStore(requestId, store, state),
    close: (unit, requestId, certificate, at) => chain.close(unit, requestId, certificate, at),
    adopt: (unit, certificates) => chain.adopt(unit, certificates),
    certificates: (options) => chain.certificates(options),
    knownCertificates: (ids) => chain.known(ids),
    lastHash: (unit) => chain.lastHash(unit),
    secret: (name, make) => notes.secret(name, make),
    note: (name) => notes.note(name),
    putNote: (name, value, unit) => notes.putNote(name, value, unit),
  }
}

class CertificateChain {
  readonly #database: LogDatabase
  readonly #journal: ErasureJournal
  readonly #table: string
  readonly #requests: string

  constructor(database: LogDatabase, journal: ErasureJournal) {
    this.#database = database
    this.#journal = journal
    this.#table = database.table('certificates')
    this.#requests = database.table('erase_requests')
  }

  async close(unit: Unit, requestId: string, certificate: CertificateRow, at: string): Promise<void> {
    const { tx } = unit
    const last = await this.lastHash(unit)
    if (certificate.previous !== last) {
      throw new ConflictError('another certificate was added meanwhile; make this one again', {
        details: { requestId, previous: certificate.previous, last },
      })
    }
    const changed = await this.#database.execute(
      tx,
      'privacy.close',
      `update ${this.#requests} set status = 'closed', closed_at = $2, reason = null, requested_by = null,
        approved_by = null, receipt = null, waiting_for = '[]', retry_at = null
        where request_id = $1 and closed_at is null`,
      [requestId, at],
    )
    if (changed === 0) throw new NotFoundError(`there is no open request '${requestId}'`)
    await this.#add(tx, 'privacy.close', [certificate])
    await this.#journal.close(tx, requestId, at)
  }

  async adopt(unit: Unit, certificates: readonly CertificateRow[]): Promise<void> {
    await this.lastHash(unit)
    const held = await this.known(
      certificates.map(({ certificateId }) => certificateId),
      unit,
    )
    const missing = certificates.filter(({ certificateId }) => !held.has(certificateId))
    await this.#add(unit.tx, 'privacy.adopt', missing)
  }

  async certificates(
    options: { readonly requestId?: string; readonly newest?: number; readonly unit?: Unit } = {},
  ): Promise<CertificateRow[]> {
    const { requestId, newest, unit } = options
    const params: (string | number)[] = []
    const where = requestId === undefined ? '' : `where request_id = $${params.push(requestId)}`
    const limit = newest === undefined ? '' : `limit $${params.push(newest)}`
    const rows = await this.#database.query(
      unit?.tx ?? null,
      'privacy.certificates',
      `select ${CERTIFICATE.list} from ${this.#table} ${where} order by ordinal desc ${limit}`,
      params,
    )
    return rows.map((row) => CERTIFICATE.of(row)).reverse()
  }

  async known(ids: readonly string[], unit?: Unit): Promise<ReadonlySet<string>> {
    const rows = await this.#database.query(
      unit?.tx ?? null,
      'privacy.knownCertificates',
      `select certificate_id from ${this.#table} where ${this.#database.among('certificate_id', '$1')}`,
      [ids],
    )
    return new Set(rows.map(([id]) => id as string))
  }

  async lastHash(unit: Unit): Promise<string> {
    await this.#database.exclusive(unit.tx, 'privacy.lastHash', 'certificates')
    const [row] = await this.#database.query(
      unit.tx,
      'privacy.lastHash',
      `select hash from ${this.#table} order by ordinal desc limit 1`,
    )
    return row === undefined ? NOTHING : (row[0] as string)
  }

  /** One after the other: numbers show their order. */
  async #add(tx: Tx, operation: string, certificates: readonly CertificateRow[]): Promise<void> {
    const into = { table: this.#table, columns: CERTIFICATE.names }
    const rows = certificates.map((certificate) => CERTIFICATE.values(certificate))
    await this.#database.insert(tx, operation, into, rows)
  }
}

class PrivacyNotes {
  readonly #database: LogDatabase
  readonly #table: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#table = database.table('privacy_notes')
  }

  async secret(name: string, make: () => Uint8Array): Promise<Uint8Array> {
    const key = `${SECRET}${name}`
    const known = await this.#value(null, 'privacy.secret', key)
    if (known !== null) return decoded(known)
    return this.#database.transaction(async (tx) => {
      await this.#database.exclusive(tx, 'privacy.secret', key)
      const stored = await this.#value(tx, 'privacy.secret', key)
      if (stored !== null) return decoded(stored)
      const value = Buffer.from(make()).toString('base64')
      await this.#put(tx, 'privacy.secret', key, value)
      return decoded(value)
    })
  }

  async note(name: string): Promise<string | null> {
    return this.#value(null, 'privacy.note', noteKey(name))
  }

  async putNote(name: string, value: string, unit?: Unit): Promise<void> {
    const work = (tx: Tx): Promise<void> => this.#put(tx, 'privacy.putNote', noteKey(name), value)
    await (unit === undefined ? this.#database.transaction(work) : work(unit.tx))
  }

  async #value(tx: Tx | null, operation: string, key: string): Promise<string | null> {
    const [row] = await this.#database.query(tx, operation, `select value from ${this.#table} where name = $1`, [key])
    return row === undefined ? null : (row[0] as string)
  }

  async #put(tx: Tx, operation: string, key: string, value: string): Promise<void> {
    const suffix = 'on conflict (name) do update set value = excluded.value'
    await this.#database.insert(tx, operation, { table: this.#table, columns: ['name', 'value'], suffix }, [
      [key, value],
    ])
  }
}

function noteKey(name: string): string {
  return `note/${name}`
}

function decoded(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'base64'))
}
