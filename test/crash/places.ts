/** Where the crash tests keep their spaces: SQLite files, and databases of the Postgres that all tests share. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { describe, expect } from 'vitest'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

export interface CrashPlace {
  /** What the engine is opened with. */
  readonly database: string
  /** Nothing is torn, doubled or left behind. Nobody may be writing. */
  expectSound(): Promise<void>
  remove(): Promise<void>
}

export interface Backend {
  readonly name: string
  readonly describe: typeof describePostgres
  /** A new place; files lie in `folder`. */
  place(folder: string, name: string): Promise<CrashPlace>
}

export const SQLITE: Backend = {
  name: 'SQLite',
  describe,
  place: async (folder, name) => sqliteFile(join(folder, `${name}.db`)),
}

export const POSTGRES: Backend = {
  name: 'Postgres',
  describe: describePostgres,
  async place() {
    const { url, drop } = await freshDatabase()
    return { database: url, expectSound: () => expectSoundPostgres(url), remove: drop }
  },
}

export const BACKENDS: readonly Backend[] = [SQLITE, POSTGRES]

/** Whoever owns its folder removes the file. */
export function sqliteFile(database: string): CrashPlace {
  return {
    database,
    async expectSound() {
      const db = new DatabaseSync(database, { readOnly: true })
      try {
        expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
      } finally {
        db.close()
      }
    },
    async remove() {},
  }
}

/** Each returns what should not be there. */
const LEFTOVERS: Readonly<Record<string, string>> = {
  'slots somebody holds': 'select slot, holder from defacto.namespace_lock where holder is not null',
  'full builds in the making': 'select version from defacto.shadow_builds',
  // Replaced tables stay while somebody is at them, which the server's own maintenance may have been; the next build takes them.
  'schemas of full builds': `select nspname from pg_namespace where nspname like 'defacto\\_%~%' and not (
    nspname like '%~old%' and (
      exists (select from pg_stat_all_tables where schemaname = nspname and coalesce(last_autovacuum, last_autoanalyze) is not null)
      or exists (select from pg_stat_activity where backend_type = 'autovacuum worker' and datname = current_database())))`,
  'gaps in the ledger': `select s from generate_series(
      (select coalesce(max(value::bigint), 0) + 1 from defacto.tiered_state where key = 'last_pruned_sequence'),
      (select last from defacto.head)) s
    where not exists (select from defacto.ledger where sequence = s)`,
  'event ids that differ from the ledger': `select sequence from defacto.ledger l full join defacto.event_ids i using (sequence)
    where exists (select from defacto.tiered_state) and (
      i.sequence is null or l.sequence > (select value::bigint from defacto.tiered_state where key = 'last_pruned_sequence')
        and (l.event_id, l.source, l.duplicate_of, l.excluded) is distinct from (i.event_id, i.source, i.duplicate_of, i.excluded))`,
  'changes that the archive lacks': 'select sequence from defacto.tier_jobs',
  'rows above the head': 'select sequence from defacto.ledger where sequence > (select last from defacto.head)',
  'events stored twice': `select event_id from defacto.ledger where duplicate_of is null and not excluded
    and event_id is not null group by event_id having count(*) > 1`,
  'wrong counts of sources': `select source from (
      select source, count(*) c from (select sequence, source from defacto.ledger
        union select sequence, source from defacto.event_ids) s where source is not null group by source) l
    full join defacto.source_counts s using (source) where c is distinct from s.events`,
  'mappings of nothing': `select sequence from defacto.event_entities
    where sequence not in (select sequence from defacto.ledger union select sequence from defacto.event_ids)`,
  'mappings of losers': `select entity_id from defacto.event_entities
    where entity_id in (select from_entity_id from defacto.merge_log)`,
  'hints of losers': `select entity_id from defacto.identity
    where entity_id in (select from_entity_id from defacto.merge_log)`,
  'a reset that has not ended': "select phase from defacto.mapping_state where phase <> 'idle'",
}

/** Read without indexes, so that a row an index has lost is found. */
export async function expectSoundPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off')
    const found: Record<string, unknown[]> = {}
    for (const [what, sql] of Object.entries(LEFTOVERS)) {
      const { rows } = await client.query(sql)
      if (rows.length > 0) found[what] = rows.slice(0, 5)
    }
    expect(found).toEqual({})
  } finally {
    await client.end()
  }
}
