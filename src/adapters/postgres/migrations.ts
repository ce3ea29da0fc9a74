/** Numbered changes of the package's own tables (spec 04 §2, 07 §2). Never edit a released one; add the next number. */
import { PRIVACY_TABLES } from './privacy-tables.ts'
import { RUN_LOG_TABLES } from './run-log-tables.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  /** True if a package that does not know this migration must not touch the space any more. */
  readonly breaking: boolean
  /** Runs with the namespace's schema as the only one on the search path. */
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    name: 'ledger, identity, mappings, versions, build state, locks',
    breaking: true,
    sql: `
create table head (
  id smallint primary key check (id = 1),
  last bigint not null,
  renormalizing boolean not null default false
);
insert into head (id, last) values (1, 0);

-- event_id and the other texts are compared byte by byte everywhere, whatever the collation of the database.
create table ledger (
  sequence bigint primary key,
  event_id text collate "C",
  event_type text collate "C",
  "timestamp" timestamptz,
  source text collate "C",
  data jsonb,
  resolution_hints jsonb,
  duplicate_of bigint,
  excluded boolean not null default false,
  kinds json,
  redaction json,
  raw json
);
-- An excluded row has no id under the current sources, so it must not stand in the way of one that has.
create unique index ledger_event_id on ledger (event_id) where duplicate_of is null and not excluded;
create index ledger_timestamp on ledger ("timestamp", sequence);
create index ledger_skipped on ledger (sequence)
  where duplicate_of is not null or excluded or event_type is null;
create table source_counts (source text collate "C" primary key, events bigint not null);

create table event_entities (
  sequence bigint not null,
  entity_id text collate "C" not null,
  entity_type text collate "C" not null,
  shard_hash bigint not null,
  primary key (sequence, entity_id)
);
create index event_entities_entity on event_entities (entity_id, sequence) include (entity_type);

create table merge_log (
  from_entity_id text collate "C" not null,
  into_entity_id text collate "C" not null,
  "timestamp" timestamptz not null,
  reason text not null,
  change_seq bigint not null,
  primary key (from_entity_id, into_entity_id)
);
create index merge_log_into on merge_log (into_entity_id);

create table identity (
  entity_type text collate "C" not null,
  hint_type text collate "C" not null,
  hint_value text collate "C" not null,
  entity_id text collate "C" not null,
  created_at timestamptz not null,
  redacted boolean not null default false,
  primary key (entity_type, hint_type, hint_value)
);
create index identity_entity on identity (entity_id);

create table identity_changes (
  change_seq bigint primary key,
  kind text not null check (kind in ('merge', 'erase', 'reset')),
  entity_id text collate "C",
  into_entity_id text collate "C",
  at timestamptz not null
);

create table definition_versions (
  version text collate "C" primary key,
  definitions text not null,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null,
  active boolean not null default false,
  created_at timestamptz not null
);
create unique index definition_versions_active on definition_versions (active) where active;

create table mapping_state (
  id smallint primary key check (id = 1),
  source_hash text not null default '',
  identity_hash text not null default '',
  mapped_upto bigint not null default 0,
  build_epoch bigint not null default 0,
  phase text not null default 'idle',
  phase_cursor bigint not null default 0
);
insert into mapping_state (id) values (1);

-- One row per version, or per shard of a version: then the key is {version}_s{shard}.
create table build_state (
  version text collate "C" primary key,
  of_version text collate "C" not null,
  shard integer,
  cursor bigint not null,
  watermark timestamptz,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null,
  dirty boolean not null,
  last_build_time timestamptz,
  last_build_mode text,
  total_shards integer not null,
  generation bigint not null,
  tick_horizon timestamptz,
  change_cursor bigint not null
);
create index build_state_of_version on build_state (of_version);

create table shadow_builds (
  version text collate "C" primary key,
  mode text not null,
  up_to bigint not null,
  as_of text not null,
  after_entity text,
  stats text not null,
  watermark timestamptz,
  generation bigint not null,
  change_cursor bigint not null,
  definition_hash text not null,
  source_hash text not null,
  identity_hash text not null
);

-- Which history tables a version has, so that views and indexes can be made again without its definitions.
create table history_layouts (version text collate "C" primary key, layout text not null);

create table namespace_lock (
  slot text collate "C" primary key,
  epoch bigint not null,
  run_id text,
  attempt integer,
  holder json,
  acquired_at timestamptz,
  renewed_at timestamptz,
  expires_at timestamptz,
  wanted_by text
);

-- What shards have to do because of others: changes of identity above what each has applied (spec 04 section 5.3).
create view shard_tasks as
  select c.change_seq as task_id, s.version, s.shard, coalesce(c.entity_id, c.into_entity_id) as entity_id, c.kind,
    c.change_seq, c.change_seq <= s.change_cursor as done
  from identity_changes c cross join build_state s
  where s.shard is not null;
`,
  },
  {
    number: 2,
    name: 'tiers: event ids, tier state, staged changes of archived rows',
    // A package that does not know event_ids would append without it.
    breaking: true,
    sql: `
-- Where event ids are looked up: 'off' and 'filling' in the ledger, 'on' in event_ids. Appends write event_ids unless 'off'.
alter table head add column tiers text not null default 'off';

-- What stays in the database of every ledger row (spec 07 section 4.1). Without a source: a tombstone.
create table event_ids (
  sequence bigint primary key,
  event_id text collate "C",
  source text collate "C",
  duplicate_of bigint,
  excluded boolean not null default false
);
create unique index event_ids_event_id on event_ids (event_id)
  where duplicate_of is null and not excluded and event_id is not null;
create index event_ids_skipped on event_ids (sequence) where duplicate_of is not null or excluded or source is null;

-- No rows: the ledger has one tier. Else one for each key, null where there is no value.
create table tiered_state (key text collate "C" primary key, value text);

-- Changes of archived rows that are on their way into the archive.
create table tier_jobs (
  id bigint generated always as identity,
  job bigint not null,
  sequence bigint not null,
  change json not null,
  primary key (sequence, id)
);
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
  export_id text collate "C" primary key,
  path text collate "C" not null,
  format text not null,
  version text collate "C" not null,
  entity_types json not null,
  at timestamptz not null,
  row_count bigint,
  bytes bigint
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
alter table head add column renormalizing_from bigint;
`,
  },
]

export const LATEST = MIGRATIONS.at(-1)?.number ?? 0
