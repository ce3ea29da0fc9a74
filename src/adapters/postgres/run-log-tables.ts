/**
 * Tables of the run log (spec 10 §2), migration 3. JSON columns are `json`, which keeps texts as they are. Names and keys
 * are compared byte by byte, whatever the collation of the database.
 */
export const RUN_LOG_TABLES = `
-- ordinal: the order in which runs were made, also within one instant.
create table runs (
  ordinal bigint generated always as identity primary key,
  run_id text collate "C" not null unique,
  op text not null,
  pipeline text collate "C",
  step text collate "C",
  parent_run_id text collate "C",
  retry_of text collate "C",
  idempotency_key text collate "C",
  request_hash text not null,
  trigger text not null,
  scheduled_for timestamptz,
  as_of timestamptz,
  window_from timestamptz,
  window_to timestamptz,
  version text,
  definition_hash text,
  package text not null,
  mode text,
  input json not null,
  cursor json not null,
  from_seq bigint,
  to_seq bigint,
  head_at_request bigint,
  status text collate "C" not null,
  waiting_for text,
  stats json not null,
  attempt integer not null,
  epoch bigint not null,
  error_code text,
  error json not null,
  tags json not null,
  engine text not null,
  workflow_id text,
  traceparent text,
  cancel_reason text,
  created_at timestamptz not null,
  started_at timestamptz,
  progress_at timestamptz,
  finished_at timestamptz
);
create unique index runs_idempotency_key on runs (idempotency_key) where idempotency_key is not null;
create index runs_created on runs (created_at, ordinal);
create index runs_status on runs (status, created_at);
create index runs_pipeline on runs (pipeline, created_at) where pipeline is not null;
create index runs_parent on runs (parent_run_id, ordinal) where parent_run_id is not null;

create table run_events (
  run_id text collate "C" not null,
  seq bigint not null,
  at timestamptz not null,
  kind text collate "C" not null,
  step text collate "C",
  level text not null,
  code text,
  message text not null,
  data json not null,
  primary key (run_id, seq)
);
create index run_events_at on run_events (at);

create table schedule_ticks (
  pipeline text collate "C" not null,
  scheduled_for timestamptz not null,
  decided_at timestamptz not null,
  outcome text not null,
  run_id text collate "C",
  reason text,
  primary key (pipeline, scheduled_for)
);

create table pipelines (
  name text collate "C" primary key,
  body json not null,
  pipeline_hash text not null,
  paused_reason text,
  applied_at timestamptz not null
);

create table input_marks (
  pipeline text collate "C" not null,
  input text collate "C" not null,
  part text collate "C" not null,
  fingerprint text not null,
  position json not null,
  state text not null,
  records_read bigint not null,
  ingested bigint not null,
  duplicates bigint not null,
  failed bigint not null,
  run_id text collate "C",
  updated_at timestamptz not null,
  primary key (pipeline, input, part)
);

create table inbox (
  batch_id text collate "C" not null,
  line bigint not null,
  source text collate "C" not null,
  raw json not null,
  received_at timestamptz not null,
  primary key (batch_id, line)
);

create table ledger_marks (at timestamptz primary key, head bigint not null);

create table dead_letters (
  ordinal bigint generated always as identity primary key,
  id text collate "C" not null unique,
  run_id text collate "C",
  status text collate "C" not null,
  reason text,
  settled_at timestamptz,
  error text not null,
  stage text collate "C" not null,
  source text collate "C" not null,
  handler text,
  field text,
  entity_id text collate "C",
  entity_type text,
  event_id text,
  event_type text,
  sequence bigint,
  version text,
  at timestamptz not null,
  recoverable boolean not null,
  advisory boolean not null,
  origin json not null,
  raw text not null
);
create index dead_letters_open on dead_letters (source, ordinal) where status = 'open';
create index dead_letters_settled on dead_letters (settled_at) where settled_at is not null;
create index dead_letters_entity on dead_letters (entity_id) where entity_id is not null;

create table check_results (
  run_id text collate "C" not null,
  "check" text collate "C" not null,
  asset text collate "C" not null,
  severity text not null,
  blocking boolean not null,
  passed boolean not null,
  value double precision,
  sample_ids json not null,
  message text,
  at timestamptz not null,
  primary key (run_id, "check")
);
create index check_results_check on check_results ("check", at);

create table notifications (
  id text collate "C" primary key,
  kind text collate "C" not null,
  subject text collate "C" not null,
  target json not null,
  payload json not null,
  status text collate "C" not null,
  attempts integer not null,
  created_at timestamptz not null,
  available_at timestamptz not null,
  lease_token text
);
create index notifications_due on notifications (available_at, id) where status = 'pending';
create index notifications_subject on notifications (kind, subject, created_at);
`
