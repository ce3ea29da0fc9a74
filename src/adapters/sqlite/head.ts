/** The one row of `head`: what every append reads first (spec 04 §2.1). */
import type { Connection } from './connection.ts'

/**
 * Where event ids are looked up and skipped rows are counted (spec 07 §4.1). `off`: in the ledger table. `filling`: there
 * too, while `event_ids` is being filled. `on`: in `event_ids`, because rows may have left the ledger table.
 */
export type Tiering = 'off' | 'filling' | 'on'

export interface Head {
  /** Greatest sequence ever assigned, 0 if none. */
  readonly last: number
  readonly renormalizing: boolean
  readonly tiering: Tiering
}

export function readHead(connection: Connection): Head {
  const [last, renormalizing, tiering] = connection.get('select last, renormalizing, tiering from head') ?? []
  return { last: last as number, renormalizing: renormalizing === 1, tiering: tiering as Tiering }
}

/** Rows up to `last` are there; `added`: how many of them per source. */
export function moveHead(connection: Connection, last: number, added: ReadonlyMap<string, number>): void {
  connection.run('update head set last = ?', last)
  for (const [source, events] of added) {
    connection.run(
      'insert into source_counts (source, events) values (?, ?) on conflict do update set events = events + excluded.events',
      source,
      events,
    )
  }
}
