/** The journal of erasures, the same on every database (spec 05 §4.3). */
import { ConflictError, NotFoundError } from '../../errors.ts'
import type { Erasure, ErasureChange, PrivacyPort, StoreState } from '../../ports/privacy.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { ERASURE, STORE } from './privacy-columns.ts'
import { within } from './privacy-requests.ts'
import { columnOf } from './run-log-columns.ts'
import type { LogDatabase, LogParam, LogRow } from './run-log-database.ts'

const STORE_KEY = ['request_id', 'store']
const REPLACE_STORE = `on conflict (${STORE_KEY.join(', ')}) do update set ${STORE.names
  .filter((name) => !STORE_KEY.includes(name))
  .map((name) => `${name} = excluded.${name}`)
  .join(', ')}`
const REPLACE = `on conflict (request_id) do update set ${ERASURE.names
  .filter((name) => name !== 'request_id')
  .map((name) => `${name} = excluded.${name}`)
  .join(', ')}`
/** What was frozen may be long: it comes with the first of the stores alone. */
const FROZEN_ONCE = ERASURE.names
  .map((name) => (name === 'request_id' ? `e.${name}` : `case when coalesce(s.place, 1) = 1 then e.${name} end`))
  .join(', ')

export class ErasureJournal
  implements Pick<PrivacyPort, 'freeze' | 'erasure' | 'openErasures' | 'changeErasure' | 'setStore'>
{
  readonly #database: LogDatabase
  readonly #erasures: string
  readonly #stores: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#erasures = database.table('erasures')
    this.#stores = database.table('erasure_stores')
  }

  async freeze(unit: Unit, erasure: Erasure): Promise<void> {
    const { stores, ...frozen } = erasure
    const { requestId } = frozen
    const before = await this.erasure(requestId, unit)
    if ((before?.pivotAt ?? null) !== null) {
      throw new ConflictError(`request '${requestId}' is past its pivot: what it concerns is fixed`, {
        code: 'E_PAST_PIVOT',
        details: { requestId },
      })
    }
    const { tx } = unit
    const into = { table: this.#erasures, columns: ERASURE.names, suffix: REPLACE }
    await this.#database.insert(tx, 'privacy.freeze', into, [ERASURE.values(frozen)])
    await this.#database.execute(tx, 'privacy.freeze', `delete from ${this.#stores} where request_id = $1`, [requestId])
    await this.#putStores(tx, 'privacy.freeze', requestId, Object.entries(stores))
  }

  async erasure(requestId: string, unit?: Unit): Promise<Erasure | undefined> {
    const [erasure] = await this.#select(unit?.tx ?? null, 'privacy.erasure', 'e.request_id = $1', [requestId])
    return erasure
  }

  async openErasures(unit?: Unit): Promise<Erasure[]> {
    return this.#select(unit?.tx ?? null, 'privacy.openErasures', 'e.closed_at is null', [])
  }

  async changeErasure(requestId: string, change: ErasureChange, unit?: Unit): Promise<void> {
    const params: LogParam[] = [requestId]
    const sets = ['request_id = request_id']
    for (const [field, value] of Object.entries(change) as [keyof ErasureChange & string, never][]) {
      if (value !== undefined) sets.push(`${columnOf(field)} = $${params.push(ERASURE.value(field, value))}`)
    }
    const sql = `update ${this.#erasures} set ${sets.join(', ')} where request_id = $1`
    const changed = await within(this.#database, unit, (tx) =>
      this.#database.execute(tx, 'privacy.changeErasure', sql, params),
    )
    if (changed === 0) throw new NotFoundError(`nothing was frozen for request '${requestId}'`)
  }

  async setStore(requestId: string, store: string, state: StoreState): Promise<void> {
    await this.#database.transaction((tx) => this.#putStores(tx, 'privacy.setStore', requestId, [[store, state]]))
  }

  /** Ends the journal of a request: nothing by which anybody could be recognized stays. */
  async close(tx: Tx, requestId: string, at: string): Promise<void> {
    await this.#database.execute(
      tx,
      'privacy.close',
      `update ${this.#erasures} set closed_at = $2, entities = '[]', digests = '[]', event_digests = '[]',
        emptied = '[]', treated = '[]', exports = '[]' where request_id = $1`,
      [requestId, at],
    )
  }

  async #putStores(
    tx: Tx,
    operation: string,
    requestId: string,
    stores: readonly (readonly [string, StoreState])[],
  ): Promise<void> {
    if (stores.length === 0) return
    const into = { table: this.#stores, columns: STORE.names, suffix: REPLACE_STORE }
    const rows = stores.map(([store, state]) => STORE.values({ requestId, store, ...state }))
    await this.#database.insert(tx, operation, into, rows)
  }

  /** Journals with their stores, oldest first: one statement, so that both are of one moment. */
  async #select(tx: Tx | null, operation: string, condition: string, params: readonly LogParam[]): Promise<Erasure[]> {
    const rows = await this.#database.query(
      tx,
      operation,
      `select ${FROZEN_ONCE}, ${STORE.under('s')} from ${this.#erasures} e
        left join (select *, row_number() over (partition by request_id order by store) as place from ${this.#stores}) s
          on s.request_id = e.request_id
        where ${condition} order by e.started_at, e.request_id, s.store`,
      params,
    )
    const found = new Map<string, { frozen: LogRow; stores: Record<string, StoreState> }>()
    for (const row of rows) {
      const key = row[0] as string
      const entry = found.get(key) ?? { frozen: row, stores: {} }
      found.set(key, entry)
      if (row[ERASURE.names.length] === null) continue
      const { requestId: _, store, ...state } = STORE.of(row.slice(ERASURE.names.length))
      entry.stores[store] = state
    }
    return [...found.values()].map(({ frozen, stores }) => ({ ...ERASURE.of(frozen), stores }))
  }
}
