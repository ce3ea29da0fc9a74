/** Numbered changes of the package's own tables (spec 04 §2, 07 §2). Never edit a released one; add the next number. */
import { PRIVACY_TABLES } from './privacy-tables.ts'
import { RUN_LOG_TABLES } from './run-log-tables.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  /** True if a package that does not know this migration must not touch the file any more. */
  readonly breaking: boolean
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    name: 'ledger, identity, mappings, versions, build state, locks',
    breaking: true,
    sql: `
create table head (
  id integer primary key check (id = 1),
  last integer not null,
  renormalizing integer not null default 0
);
insert into head (id, last) values (1, 0);

-- raw comes last so that what does not fit a page is raw, which replays never read.
create table ledger (
  sequence integer primary key,
  event_id text,
  event_type text,
  timestamp text,
  source text,
  data text,
  resolution_hints text,
  duplicate_of integer,
  excluded integer not null default 0,
  kinds text,
  redaction text,
  raw text
);
-- An excluded row has no id under the current sources, so it must not stand in the way of one that has.
create unique index ledger_event_id on ledger (event_id) where duplicate_of is null and excluded = 0;
create index ledger_timestamp on ledger (timestamp, sequence);
create index ledger_skipped on ledger (sequence)
  where duplicate_of is not null or excluded = 1 or event_type is null;
create table source_counts (source text primary key, events integer not null) without rowid;

create table event_entities (
  sequence integer not null,
  entity_id text not null,
  entity_type text not null,
  shard_hash integer not null,
  primary key (sequence, entity_id)
) without rowid;
create index event_entities_entity on event_entities (entity_id, sequence, entity_type);

create table merge_log (
  from_entity_id text not null,
  into_entity_id text not null,
  timestamp text not null,
  reason text not null,
  change_seq integer not null,
  primary key (from_entity_id, into_entity_id)
) without rowid;
create index merge_log_into on merge_log (into_entity_id);

create table identity (
  entity_type text not null,
  hint_type text not null,
  hint_value text not null,
  entity_id text not null,
  created_at text not null,
  redacted integer not null default 0,
  primary key (entity_type, hint_type, hint_value)
) without rowid;
create index identity_entity on identity (entity_id);

create table identity_changes (
  change_seq integer primary key autoincrement,
  kind text not null check (kind in ('merge', 'erase', 'reset')),
  entity_id text,
  into_entity_id text,
  at text not null
);

create table definition_versions (
  version text primary key collate nocase,
  definitions text not null,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null,
  active integer not null default 0,
  created_at text not null
) without rowid;
create unique index definition_versions_active on definition_versions (active) where active = 1;

create table mapping_state (
  id integer primary key check (id = 1),
  source_hash text not null default '',
  identity_hash text not null default '',
  mapped_upto integer not null default 0,
  build_epoch integer not null default 0,
  phase text not null default 'idle',
  phase_cursor integer not null default 0
);
insert into mapping_state (id) values (1);

create table build_state (
  version text primary key,
  cursor integer not null,
  watermark text,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null,
  dirty integer not null,
  last_build_time text,
  last_build_mode text,
  total_shards integer not null,
  generation integer not null,
  tick_horizon text,
  change_cursor integer not null
) without rowid;

create table shadow_builds (
  version text primary key,
  mode text not null,
  up_to integer not null,
  as_of text not null,
  after_entity text,
  stats text not null,
  watermark text,
  generation integer not null,
  change_cursor integer not null,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null
) without rowid;

-- Which history tables a version has, so that names, views and indexes can be made again without its definitions.
create table history_layouts (version text primary key, layout text not null) without rowid;

create table namespace_lock (
  slot text primary key,
  epoch integer not null,
  run_id text,
  attempt integer,
  holder text,
  acquired_at text,
  renewed_at text,
  expires_at text,
  wanted_by text
) without rowid;
`,
  },
  {
    number: 2,
    name: 'ledger in two tiers',
    breaking: true,
    sql: `
-- In the row that appends read anyway: which table knows event ids and skipped rows.
alter table head add column tiering text not null default 'off' check (tiering in ('off', 'filling', 'on'));

-- What stays of every row; all but the sequence null in a tombstone.
create table event_ids (
  sequence integer primary key,
  event_id text,
  source text,
  duplicate_of integer,
  excluded integer not null default 0
);
create unique index event_ids_canonical on event_ids (event_id)
  where duplicate_of is null and excluded = 0 and event_id is not null;
create index event_ids_skipped on event_ids (sequence)
  where duplicate_of is not null or excluded = 1 or source is null;

create table tiered_state (key text primary key, value text) without rowid;

create table tier_jobs (
  id integer primary key autoincrement,
  job integer not null,
  sequence integer not null,
  change text not null
);
-- By sequence first: what waits is asked for by ranges of sequences, over all numbers.
create index tier_jobs_sequence on tier_jobs (sequence, job);
`,
  },
  {
    number: 3,
    name: 'run log',
    breaking: false,
    sql: RUN_LOG_TABLES,
  },
  {
    number: 4,
    name: 'exports',
    breaking: false,
    sql: `
-- What was written out of the space (spec 05 section 4.5). row_count null: begun, and not known to be complete.
create table exports (
  export_id text primary key,
  path text not null,
  format text not null,
  version text not null,
  entity_types text not null,
  at text not null,
  row_count integer,
  bytes integer
);
create index exports_path on exports (path);
`,
  },
  {
    number: 5,
    name: 'erasures, redactions, holds, certificates',
    // A package that does not know it would take back what was erased or redacted.
    breaking: true,
    sql: PRIVACY_TABLES,
  },
  {
    number: 6,
    name: 'where a renormalization began',
    breaking: false,
    sql: `
-- Null: none runs. Rows above it came meanwhile, repeats too.
alter table head add column renormalizing_from integer;
`,
  },
]

export const LATEST = MIGRATIONS.at(-1)?.number ?? 0
