/** What the server says about the connections of defacto to a database. */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { expect } from 'vitest'

export interface Session {
  readonly pid: number
  readonly state: string
  /** Waits for a lock. */
  readonly waits: boolean
  readonly inTransaction: boolean
  /** Of the latest statement. */
  readonly query: string
}

const SESSIONS = `select pid, state, coalesce(wait_event_type = 'Lock', false) as waits,
  xact_start is not null as "inTransaction", query
  from pg_stat_activity where datname = current_database() and application_name = 'defacto' order by backend_start`

/** Looks at a server without being among those it sees. Inside a transaction the server shows the same all the time. */
export class Watcher implements AsyncDisposable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async of(url: string): Promise<Watcher> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    return new Watcher(client)
  }

  async sessions(): Promise<Session[]> {
    return (await this.#client.query<Session>(SESSIONS)).rows
  }

  async rows(sql: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#client.query(sql, params)).rows
  }

  /** Returns when the server shows it; fails with what it shows if it never does. */
  async until(what: string, condition: (sessions: Session[]) => boolean | Promise<boolean>): Promise<void> {
    const patience = performance.now() + 60_000
    for (;;) {
      const sessions = await this.sessions()
      if (await condition(sessions)) return
      if (performance.now() > patience) expect.fail(`never: ${what}; ${JSON.stringify(sessions)}`)
      await pause(5)
    }
  }

  /** Nobody is inside a unit of work, so no connection may be inside a transaction; killed ones get time to notice. */
  async atRest(): Promise<void> {
    await this.until('all connections outside transactions', (all) => all.every((one) => !one.inTransaction))
  }

  /** All stores are closed. */
  async deserted(): Promise<void> {
    await this.until('no connection left', (all) => all.length === 0)
  }

  /** Ends the sessions that `which` chooses, as an administrator or a failing server would. Returns how many. */
  async terminate(which: (session: Session) => boolean = () => true): Promise<number> {
    const pids = (await this.sessions()).filter(which).map(({ pid }) => pid)
    await this.#client.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids])
    return pids.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}
