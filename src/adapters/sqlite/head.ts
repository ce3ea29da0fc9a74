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
  /** Events that were erased, or that have redacted hints, may come again (spec 05 §4.2 no. 8, §5.3). */
  readonly suppressing: boolean
  readonly treating: boolean
}

const HEAD = 'select last, renormalizing, tiering, suppressing, treating from head'

export function readHead(connection: Connection): Head {
  const [last, renormalizing, tiering, suppressing, treating] = connection.get(HEAD) ?? []
  return {
    last: last as number,
    renormalizing: renormalizing === 1,
    tiering: tiering as Tiering,
    suppressing: suppressing === 1,
    treating: treating === 1,
  }
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

/** So many rows per source are none of an event any more. */
export function countFewer(connection: Connection, removed: ReadonlyMap<string, number>): void {
  for (const [source, events] of removed) {
    connection.run('update source_counts set events = events - ? where source = ?', events, source)
  }
}
