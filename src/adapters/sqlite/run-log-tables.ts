/** Tables of the run log (spec 10 §2), migration 3. JSON is text; instants are canonical text, which sorts by time. */
export const RUN_LOG_TABLES = `
-- ordinal: the order in which runs were made, also within one instant.
create table runs (
  ordinal integer primary key,
  run_id text not null unique,
  op text not null,
  pipeline text,
  step text,
  parent_run_id text,
  retry_of text,
  idempotency_key text,
  request_hash text not null,
  trigger text not null,
  scheduled_for text,
  as_of text,
  window_from text,
  window_to text,
  version text,
  definition_hash text,
  package text not null,
  mode text,
  input text not null,
  cursor text not null,
  from_seq integer,
  to_seq integer,
  head_at_request integer,
  status text not null,
  waiting_for text,
  stats text not null,
  attempt integer not null,
  epoch integer not null,
  error_code text,
  error text not null,
  tags text not null,
  engine text not null,
  workflow_id text,
  traceparent text,
  cancel_reason text,
  created_at text not null,
  started_at text,
  progress_at text,
  finished_at text
);
create unique index runs_idempotency_key on runs (idempotency_key) where idempotency_key is not null;
create index runs_created on runs (created_at, ordinal);
create index runs_status on runs (status, created_at);
create index runs_pipeline on runs (pipeline, created_at) where pipeline is not null;
create index runs_parent on runs (parent_run_id, ordinal) where parent_run_id is not null;

create table run_events (
  run_id text not null,
  seq integer not null,
  at text not null,
  kind text not null,
  step text,
  level text not null,
  code text,
  message text not null,
  data text not null,
  primary key (run_id, seq)
) without rowid;
create index run_events_at on run_events (at);

create table schedule_ticks (
  pipeline text not null,
  scheduled_for text not null,
  decided_at text not null,
  outcome text not null,
  run_id text,
  reason text,
  primary key (pipeline, scheduled_for)
) without rowid;

create table pipelines (
  name text primary key,
  body text not null,
  pipeline_hash text not null,
  paused_reason text,
  applied_at text not null
) without rowid;

create table input_marks (
  pipeline text not null,
  input text not null,
  part text not null,
  fingerprint text not null,
  position text not null,
  state text not null,
  records_read integer not null,
  ingested integer not null,
  duplicates integer not null,
  failed integer not null,
  run_id text,
  updated_at text not null,
  primary key (pipeline, input, part)
) without rowid;

create table inbox (
  batch_id text not null,
  line integer not null,
  source text not null,
  raw text not null,
  received_at text not null,
  primary key (batch_id, line)
) without rowid;

create table ledger_marks (at text primary key, head integer not null) without rowid;

create table dead_letters (
  ordinal integer primary key,
  id text not null unique,
  run_id text,
  status text not null,
  reason text,
  settled_at text,
  error text not null,
  stage text not null,
  source text not null,
  handler text,
  field text,
  entity_id text,
  entity_type text,
  event_id text,
  event_type text,
  sequence integer,
  version text,
  at text not null,
  recoverable integer not null,
  advisory integer not null,
  origin text not null,
  raw text not null
);
create index dead_letters_open on dead_letters (source, ordinal) where status = 'open';
create index dead_letters_settled on dead_letters (settled_at) where settled_at is not null;
create index dead_letters_entity on dead_letters (entity_id) where entity_id is not null;

create table check_results (
  run_id text not null,
  "check" text not null,
  asset text not null,
  severity text not null,
  blocking integer not null,
  passed integer not null,
  value real,
  sample_ids text not null,
  message text,
  at text not null,
  primary key (run_id, "check")
) without rowid;
create index check_results_check on check_results ("check", at);

create table notifications (
  id text primary key,
  kind text not null,
  subject text not null,
  target text not null,
  payload text not null,
  status text not null,
  attempts integer not null,
  created_at text not null,
  available_at text not null,
  lease_token text
) without rowid;
create index notifications_due on notifications (available_at, id) where status = 'pending';
create index notifications_subject on notifications (kind, subject, created_at);
`
