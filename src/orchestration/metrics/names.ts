/** All metrics there are (spec 10 §9). Labels hold names of the definitions and words of the program, never ids. */

export interface MetricSpec {
  readonly kind: 'counter' | 'histogram' | 'gauge'
  readonly help: string
  /** Beside `namespace`, which every series has. */
  readonly labels: readonly string[]
  /** Set from the state of the database at every scrape. */
  readonly collected?: true
  readonly buckets?: readonly number[]
}

const CHUNK_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]
const RUN_BUCKETS = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200]

export const METRICS: Readonly<Record<string, MetricSpec>> = {
  defacto_runs_total: { kind: 'counter', labels: ['op', 'status'], help: 'Runs that ended.' },
  defacto_run_duration_seconds: {
    kind: 'histogram',
    labels: ['op'],
    buckets: RUN_BUCKETS,
    help: 'Time from the first attempt of a run to its end.',
  },
  defacto_chunk_seconds: { kind: 'histogram', labels: ['op'], buckets: CHUNK_BUCKETS, help: 'Time of chunks of work.' },
  defacto_events_total: {
    kind: 'counter',
    labels: ['source', 'outcome'],
    help: 'Records read, by what became of them.',
  },
  defacto_schedule_ticks_total: {
    kind: 'counter',
    labels: ['pipeline', 'outcome'],
    help: 'Slots of schedules, by what became of them.',
  },
  defacto_fenced_total: { kind: 'counter', labels: ['op'], help: 'Units refused because another attempt had begun.' },
  defacto_retries_total: { kind: 'counter', labels: ['op'], help: 'Attempts that failed and are made again.' },
  defacto_worker_polling: { kind: 'gauge', labels: ['queue'], help: '1 while a worker asks this queue for tasks.' },
  defacto_event_loop_delay_seconds: {
    kind: 'gauge',
    labels: [],
    collected: true,
    help: 'Delay of the event loop, 99th percentile since the last scrape.',
  },
  defacto_pending_events: {
    kind: 'gauge',
    labels: ['version'],
    collected: true,
    help: 'Events that are not interpreted yet.',
  },
  defacto_oldest_pending_seconds: {
    kind: 'gauge',
    labels: ['version'],
    collected: true,
    help: 'Age of the oldest event that is not interpreted yet; 0: none.',
  },
  defacto_tick_lag_seconds: {
    kind: 'gauge',
    labels: ['version'],
    collected: true,
    help: 'How long ago time rules were applied up to.',
  },
  defacto_freshness_seconds: {
    kind: 'gauge',
    labels: ['asset'],
    collected: true,
    help: 'How far an asset with a freshness rule lags behind.',
  },
  defacto_freshness_state: {
    kind: 'gauge',
    labels: ['asset'],
    collected: true,
    help: '0 ok, 1 warn, 2 error, -1 unknown; the worst of its rules.',
  },
  defacto_check_passed: {
    kind: 'gauge',
    labels: ['check', 'severity'],
    collected: true,
    help: 'Latest result of each check: 1 passed, 0 failed.',
  },
  defacto_ledger_rows: { kind: 'gauge', labels: ['tier'], collected: true, help: 'Rows of the ledger by tier.' },
  defacto_cold_bytes: { kind: 'gauge', labels: [], collected: true, help: 'Size of the archive.' },
  defacto_cold_files: { kind: 'gauge', labels: [], collected: true, help: 'Files of the archive.' },
  defacto_flush_lag_events: { kind: 'gauge', labels: [], collected: true, help: 'Events that are not archived yet.' },
  defacto_dead_letters: { kind: 'gauge', labels: ['source'], collected: true, help: 'Open dead letters.' },
  defacto_inbox_rows: {
    kind: 'gauge',
    labels: [],
    collected: true,
    help: 'Pushed records that wait for their ingest.',
  },
  defacto_inputs_held: {
    kind: 'gauge',
    labels: ['pipeline'],
    collected: true,
    help: 'Parts held back for too many failures.',
  },
  defacto_notifications: { kind: 'gauge', labels: ['status'], collected: true, help: 'Notifications by status.' },
  defacto_erase_open: {
    kind: 'gauge',
    labels: ['state'],
    collected: true,
    help: 'Requests to erase, redact or expire that are not closed, by status.',
  },
  defacto_erase_deadline_seconds: {
    kind: 'gauge',
    labels: [],
    collected: true,
    help: 'Time until the first deadline of an open request; below 0: since it passed.',
  },
  defacto_holds: { kind: 'gauge', labels: [], collected: true, help: 'Holds in force.' },
  defacto_lock_epoch: { kind: 'gauge', labels: ['slot'], collected: true, help: 'How often a slot was taken.' },
}
