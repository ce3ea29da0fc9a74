/** Tables of erasures, redactions, holds and certificates (spec 05 §4.3, 10 §10), migration 5. */
export const PRIVACY_TABLES = `
-- Erasures, redactions, holds and certificates (spec 05 section 4.3, 10 section 10).
alter table head add column suppressing boolean not null default false;
alter table head add column treating boolean not null default false;
-- Of a redacted hint: later events with its value are treated on arrival.
alter table identity add column sticky boolean not null default false;
create index identity_redacted on identity (hint_value) where redacted;
create index ledger_duplicates on ledger (duplicate_of) where duplicate_of is not null;
create index event_ids_duplicates on event_ids (duplicate_of) where duplicate_of is not null;
create index dead_letters_event on dead_letters (event_id) where event_id is not null;

create table erase_requests (
  request_id text collate "C" primary key,
  kind text not null,
  entity_id text collate "C",
  status text not null,
  reason text,
  requested_by text,
  requested_at timestamptz not null,
  deadline timestamptz not null,
  approved_by text,
  approved_at timestamptz,
  closed_at timestamptz,
  options json not null,
  waiting_for json not null,
  retry_at timestamptz,
  warned_ms bigint not null,
  holds_checked_at timestamptz,
  receipt text,
  run_id text collate "C"
);
create index erase_requests_open on erase_requests (status, requested_at) where closed_at is null;
create index erase_requests_entity on erase_requests (entity_id) where entity_id is not null;

create table erasures (
  request_id text collate "C" primary key,
  erasure_id text collate "C" not null unique,
  kind text not null,
  entities json not null,
  digests json not null,
  event_digests json not null,
  emptied json not null,
  treated json not null,
  exports json not null,
  counts json not null,
  ledger_head bigint not null,
  versions json not null,
  started_at timestamptz not null,
  pivot_at timestamptz,
  closed_at timestamptz
);
create index erasures_open on erasures (started_at) where closed_at is null;

create table erasure_stores (
  request_id text collate "C" not null,
  store text collate "C" not null,
  state text not null,
  action text not null,
  items bigint not null,
  error text,
  attempts integer not null,
  verified json not null,
  outstanding json not null,
  at timestamptz,
  primary key (request_id, store)
);

create table holds (
  hold_id text collate "C" primary key,
  entity_id text collate "C",
  entity_type text collate "C",
  filter json not null,
  reason text not null,
  placed_by text,
  placed_at timestamptz not null,
  until timestamptz,
  released_at timestamptz
);
create index holds_entity on holds (entity_id) where entity_id is not null and released_at is null;

-- ordinal: their order in the chain. A request that was done, and again after an older backup was restored, has two.
create table certificates (
  ordinal bigint generated always as identity primary key,
  certificate_id text collate "C" not null unique,
  request_id text collate "C" not null,
  hash text collate "C" not null,
  previous text collate "C" not null,
  at timestamptz not null,
  body text not null
);
create index certificates_request on certificates (request_id);

create table privacy_notes (name text collate "C" primary key, value text not null);
`
