/** Tables of erasures, redactions, holds and certificates (spec 05 §4.3, 10 §10), migration 5. */
export const PRIVACY_TABLES = `
-- Erasures, redactions, holds and certificates (spec 05 section 4.3, 10 section 10). JSON is text.
alter table head add column suppressing integer not null default 0;
alter table head add column treating integer not null default 0;
-- Of a redacted hint: later events with its value are treated on arrival.
alter table identity add column sticky integer not null default 0;
create index identity_redacted on identity (hint_value) where redacted = 1;
create index ledger_duplicates on ledger (duplicate_of) where duplicate_of is not null;
create index event_ids_duplicates on event_ids (duplicate_of) where duplicate_of is not null;
create index dead_letters_event on dead_letters (event_id) where event_id is not null;

create table erase_requests (
  request_id text primary key,
  kind text not null,
  entity_id text,
  status text not null,
  reason text,
  requested_by text,
  requested_at text not null,
  deadline text not null,
  approved_by text,
  approved_at text,
  closed_at text,
  options text not null,
  waiting_for text not null,
  retry_at text,
  warned_ms integer not null,
  holds_checked_at text,
  receipt text,
  run_id text
) without rowid;
create index erase_requests_open on erase_requests (status, requested_at) where closed_at is null;
create index erase_requests_entity on erase_requests (entity_id) where entity_id is not null;

create table erasures (
  request_id text primary key,
  erasure_id text not null unique,
  kind text not null,
  entities text not null,
  digests text not null,
  event_digests text not null,
  emptied text not null,
  treated text not null,
  exports text not null,
  counts text not null,
  ledger_head integer not null,
  versions text not null,
  started_at text not null,
  pivot_at text,
  closed_at text
) without rowid;
create index erasures_open on erasures (started_at) where closed_at is null;

create table erasure_stores (
  request_id text not null,
  store text not null,
  state text not null,
  action text not null,
  items integer not null,
  error text,
  attempts integer not null,
  verified text not null,
  outstanding text not null,
  at text,
  primary key (request_id, store)
) without rowid;

create table holds (
  hold_id text primary key,
  entity_id text,
  entity_type text,
  filter text not null,
  reason text not null,
  placed_by text,
  placed_at text not null,
  until text,
  released_at text
) without rowid;
create index holds_entity on holds (entity_id) where entity_id is not null and released_at is null;

-- ordinal: their order in the chain. A request that was done, and again after an older backup was restored, has two.
create table certificates (
  ordinal integer primary key,
  certificate_id text not null unique,
  request_id text not null,
  hash text not null,
  previous text not null,
  at text not null,
  body text not null
);
create index certificates_request on certificates (request_id);

create table privacy_notes (name text primary key, value text not null) without rowid;
`
