/** Requests and holds, the same on every database (spec 10 §10.1). */
import type {
  ErasureRequest,
  Hold,
  PrivacyPort,
  RequestChange,
  RequestFilter,
  RequestStatus,
} from '../../ports/privacy.ts'
import type { Tx, Unit } from '../../ports/store.ts'
import { HOLD, REQUEST } from './privacy-columns.ts'
import { columnOf } from './run-log-columns.ts'
import type { LogDatabase, LogParam } from './run-log-database.ts'

/** Who erases and who adds a hold do it one after the other. */
const HOLDS = 'holds'

export class StoredRequests
  implements Pick<PrivacyPort, 'create' | 'request' | 'requests' | 'change' | 'addHold' | 'holds' | 'releaseHold'>
{
  readonly #database: LogDatabase
  readonly #requests: string
  readonly #holds: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#requests = database.table('erase_requests')
    this.#holds = database.table('holds')
  }

  async create(
    request: ErasureRequest,
    { unlessOpen = [] }: { readonly unlessOpen?: readonly string[] } = {},
  ): Promise<ErasureRequest> {
    const into = { table: this.#requests, columns: REQUEST.names }
    return this.#database.transaction(async (tx) => {
      if (unlessOpen.length > 0) {
        await this.#database.exclusive(tx, 'privacy.create', 'requests')
        const [open] = await this.#database.query(
          tx,
          'privacy.create',
          `select ${REQUEST.list} from ${this.#requests} where closed_at is null and kind = $1
            and ${this.#database.among('entity_id', '$2')} order by requested_at, request_id limit 1`,
          [request.kind, unlessOpen],
        )
        if (open !== undefined) return REQUEST.of(open)
      }
      await this.#database.insert(tx, 'privacy.create', into, [REQUEST.values(request)])
      return request
    })
  }

  async request(requestId: string, unit?: Unit): Promise<ErasureRequest | undefined> {
    const [row] = await this.#database.query(
      unit?.tx ?? null,
      'privacy.request',
      `select ${REQUEST.list} from ${this.#requests} where request_id = $1`,
      [requestId],
    )
    return row === undefined ? undefined : REQUEST.of(row)
  }

  async requests(filter: RequestFilter = {}): Promise<ErasureRequest[]> {
    const params: LogParam[] = []
    const bind = (value: LogParam): string => `$${params.push(value)}`
    const conditions = ['1 = 1']
    const { status, kind, entityId, limit } = filter
    if (status !== undefined) {
      conditions.push(this.#database.among('status', bind(status)))
      // The index of open requests holds no others.
      if (!status.includes('closed') && !status.includes('refused')) conditions.push('closed_at is null')
    }
    if (kind !== undefined) conditions.push(this.#database.among('kind', bind(kind)))
    if (entityId !== undefined) conditions.push(`entity_id = ${bind(REQUEST.value('entityId', entityId))}`)
    const end = limit === undefined ? '' : `limit ${bind(limit)}`
    const rows = await this.#database.query(
      null,
      'privacy.requests',
      `select ${REQUEST.list} from ${this.#requests} where ${conditions.join(' and ')}
        order by requested_at, request_id ${end}`,
      params,
    )
    return rows.map((row) => REQUEST.of(row))
  }

  async change(
    requestId: string,
    change: RequestChange,
    options: { readonly from?: readonly RequestStatus[]; readonly unit?: Unit } = {},
  ): Promise<ErasureRequest | null> {
    const { from, unit } = options
    const params: LogParam[] = [requestId]
    const bind = (value: LogParam): string => `$${params.push(value)}`
    const sets = ['request_id = request_id']
    for (const [field, value] of Object.entries(change) as [keyof RequestChange & string, never][]) {
      if (value !== undefined) sets.push(`${columnOf(field)} = ${bind(REQUEST.value(field, value))}`)
    }
    const conditions = ['request_id = $1']
    if (from !== undefined) conditions.push(this.#database.among('status', bind(from)))
    const sql = `update ${this.#requests} set ${sets.join(', ')} where ${conditions.join(' and ')}
      returning ${REQUEST.list}`
    const [row] = await within(this.#database, unit, (tx) => this.#database.query(tx, 'privacy.change', sql, params))
    return row === undefined ? null : REQUEST.of(row)
  }

  async addHold(hold: Hold, unit?: Unit): Promise<void> {
    const into = { table: this.#holds, columns: HOLD.names }
    await within(this.#database, unit, async (tx) => {
      await this.#database.exclusive(tx, 'privacy.addHold', HOLDS)
      await this.#database.insert(tx, 'privacy.addHold', into, [HOLD.values(hold)])
    })
  }

  /** One that begins a moment later by the clock of another machine counts already. */
  async holds(options: { readonly at?: string; readonly unit?: Unit } = {}): Promise<Hold[]> {
    const { at, unit } = options
    if (unit !== undefined) await this.#database.exclusive(unit.tx, 'privacy.holds', HOLDS)
    const inForce = at === undefined ? '' : 'where released_at is null and (until is null or until > $1)'
    const rows = await this.#database.query(
      unit?.tx ?? null,
      'privacy.holds',
      `select ${HOLD.list} from ${this.#holds} ${inForce} order by placed_at, hold_id`,
      at === undefined ? [] : [at],
    )
    return rows.map((row) => HOLD.of(row))
  }

  async releaseHold(holdId: string, at: string): Promise<Hold | null> {
    const [row] = await this.#database.transaction((tx) =>
      this.#database.query(
        tx,
        'privacy.releaseHold',
        `update ${this.#holds} set released_at = $2 where hold_id = $1 and released_at is null returning ${HOLD.list}`,
        [holdId, at],
      ),
    )
    return row === undefined ? null : HOLD.of(row)
  }
}

/** In the caller's unit, or in a transaction of its own. */
export function within<T>(database: LogDatabase, unit: Unit | undefined, work: (tx: Tx) => Promise<T>): Promise<T> {
  return unit === undefined ? database.transaction(work) : work(unit.tx)
}
