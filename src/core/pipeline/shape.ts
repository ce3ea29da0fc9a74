/**
 * What a pipeline looks like (spec 10 §3), for reading and for the editors' JSON Schema; the counterpart of
 * `definition/shape.ts`. Names, schedules and what belongs together are checked in `check.ts`.
 */
import { z } from 'zod'
import { ofKinds, type Rule, rules } from '../definition/rules.ts'
import { ALERT_EVENTS, EXPORT_FORMATS } from './model.ts'

const optional = <T extends z.ZodType>(node: T) => node.nullish()
const text = (about: string) => z.string().min(1).describe(about)
const yesNo = (about: string) => z.boolean().describe(about)
const texts = (about: string) => z.array(z.string()).describe(about)
const choice = <const T extends readonly [string, ...string[]]>(options: T, about: string, noun: string) =>
  z
    .enum(options)
    .describe(about)
    .register(rules, { code: 'P03', noun: `unknown ${noun}` })
const DURATION = { wrong: { code: 'E06', message: "invalid duration: expected a text such as '30s' or '2d'" } }
const duration = (about: string, rule: Rule = {}) =>
  z
    .string()
    .regex(/^\s*\d+[dhms]\s*$/)
    .describe(`${about} Digits and one of d, h, m, s.`)
    .register(rules, { read: 'duration', ...DURATION, ...rule })
const outside = (expected: string) => ({ code: 'P10', message: `out of range: expected ${expected}` })
const whole = (least: number, most: number, about: string) =>
  z
    .number()
    .int()
    .min(least)
    .max(most)
    .describe(about)
    .register(rules, {
      outside: outside(
        most === Number.MAX_SAFE_INTEGER
          ? `a whole number of at least ${least}`
          : `a whole number from ${least} to ${most}`,
      ),
    })
const count = (about: string, least = 0) => whole(least, Number.MAX_SAFE_INTEGER, about)
const share = (about: string) =>
  z
    .number()
    .min(0)
    .max(1)
    .describe(about)
    .register(rules, { outside: outside('a share from 0 to 1') })
const named = <T extends z.ZodType>(node: T, about: string) => z.record(z.string(), node).describe(about)
const anyLiteral = (about: string) =>
  z.union([z.string(), z.number(), z.boolean()]).describe(about).register(rules, { read: 'literal' })

const retry = z
  .strictObject({
    attempts: optional(count('Consecutive failures without progress; 0: no limit. Default 5.')),
    backoff: optional(duration('Pause after the first failure; default 10s.')),
    factor: optional(
      z
        .number()
        .min(1)
        .max(100)
        .describe('Each pause is that much longer; default 2.')
        .register(rules, { outside: outside('a number from 1 to 100') }),
    ),
    max: optional(duration('Longest pause; default 5m.')),
  })
  .describe('How failures are repeated; a committed chunk starts the count anew.')

const onError = z
  .strictObject({
    max_ratio: optional(share('Largest share of unusable records; default 0.01.')),
    max_count: optional(count('Largest number of unusable records; default: no limit.')),
    min_records: optional(count('Records read before the share counts; default 100.')),
    action: optional(choice(['fail', 'warn'], 'What happens beyond; default fail.', 'action')),
    dead_letters: optional(
      choice(['table', 'sink', 'off'], 'Where unusable records go; default table.', "'dead_letters'"),
    ),
  })
  .describe('How many unusable records an input may hold.')
const inputBase = {
  source: text('Source definition that normalises the records.'),
  batch: optional(whole(1, 10_000, 'Records per chunk; default 500.')),
  required: optional(yesNo('No new part is an error; default false.')),
  on_error: optional(onError),
}
const FORMATS = ['ndjson', 'json', 'csv', 'parquet'] as const
const reading = {
  format: optional(choice(FORMATS, 'Format of the parts; default: by suffix.', 'format')),
  records: optional(text('Path of the array in a JSON document (format json).')),
  csv: optional(
    z
      .strictObject({
        delimiter: optional(z.string().min(1).max(1).describe('Between two fields; default a comma.')),
        null: optional(z.string().describe('Text that means null; default: none.')),
        encoding: optional(text('Default utf-8.')),
      })
      .describe('Options of format csv.'),
  ),
  settle: optional(duration('Younger parts wait for the next run; default 30s.', { zero: true })),
  after: optional(choice(['keep', 'move', 'delete'], 'What happens to a part that is done; default keep.', "'after'")),
  move_to: optional(text('Folder or prefix that done parts go to (after: move).')),
  parallel: optional(whole(1, 32, 'Parts read at once; default 1.')),
  window: optional(text('Name with {date}: the parts of a backfill window.')),
}
const storage = z
  .strictObject({
    region: optional(text('Region of the bucket.')),
    endpoint: optional(text('Address of the service, where it is not the usual one.')),
    path_style: optional(yesNo('The bucket is part of the path.')),
  })
  .describe('How the bucket is reached; credentials come from the environment.')

/** Inputs by kind (spec 10 §3.2). */
export const inputKinds = {
  files: z
    .strictObject({
      kind: z.literal('files'),
      ...inputBase,
      path: text('Files, as a glob relative to the project.'),
      ...reading,
      append: optional(yesNo('Parts grow: go on at the last complete line; default false.')),
    })
    .describe('Records of files.'),
  s3: z
    .strictObject({
      kind: z.literal('s3'),
      ...inputBase,
      url: text('s3://bucket/prefix/'),
      pattern: optional(text('Which objects below the prefix; default all.')),
      storage: optional(storage),
      ...reading,
    })
    .describe('Records of objects in a bucket.'),
  postgres: z
    .strictObject({
      kind: z.literal('postgres'),
      ...inputBase,
      database: text('Connection URL; a password as reference to a variable or file.'),
      query: text('SELECT; its JSON column `record`, else the row, is the record.'),
      cursor: optional(
        z
          .strictObject({
            column: text('Column of the query that grows.'),
            initial: z
              .union([z.string(), z.number()])
              .describe('Value of :cursor in the first run.')
              .register(rules, { read: 'literal' }),
            overlap: optional(
              duration('How far behind the last value the next run begins; default 0s.', { zero: true }),
            ),
          })
          .describe('How far the last run came, bound as :cursor.'),
      ),
      window: optional(text('Text with {date}: the rows of a backfill window.')),
    })
    .describe('Records of a query.'),
  inbox: z.strictObject({ kind: z.literal('inbox'), ...inputBase }).describe('Records that were pushed.'),
} as const
const input = ofKinds(
  z
    .union([inputKinds.files, inputKinds.s3, inputKinds.postgres, inputKinds.inbox])
    .describe('Where records come from.'),
  { noun: 'input', key: 'kind', of: inputKinds, later: ['http', 'kafka'] },
)

const stepBase = {
  id: optional(text('Name of the step; default its kind, then kind_2.')),
  needs: optional(texts('Steps that end first; default the one before.')),
  when: optional(
    choice(['success', 'failure', 'always'], 'Outcome of those steps that is waited for; default success.', "'when'"),
  ),
  retry: optional(retry),
  timeout: optional(duration('Then it is stopped at a chunk boundary; default that of the pipeline.')),
}
/** Bodies of steps by kind (spec 10 §3.4). */
export const stepKinds = {
  ingest: z
    .strictObject({ ...stepBase, inputs: optional(texts('Inputs to read; default all.')) })
    .describe('Read the inputs into the ledger.'),
  build: z
    .strictObject({
      ...stepBase,
      version: optional(text('Version to build; default that of the pipeline.')),
      full: optional(yesNo('Replay everything; default false.')),
      from_raw: optional(yesNo('Normalise everything again; default false.')),
    })
    .describe('Interpret new events.'),
  tick: z
    .strictObject({ ...stepBase, as_of: optional(text('now or an instant; default that of the run.')) })
    .describe('Let time rules fire.'),
  check: z
    .strictObject({ ...stepBase, only: optional(texts('Checks to run; default all.')) })
    .describe('Run the checks.'),
  flush: z
    .strictObject({ ...stepBase, up_to: optional(count('Sequence; default all that is built.')) })
    .describe('Archive events.'),
  prune: z
    .strictObject({ ...stepBase, before: optional(count('Sequence; default the bound of `retention`.')) })
    .describe('Remove archived events from the database.'),
  maintain: z
    .strictObject({
      ...stepBase,
      compact: optional(yesNo('Merge small files; default true.')),
      vacuum: optional(yesNo('Remove files no version needs; default true.')),
      verify: optional(yesNo('Read every archived file; default true.')),
    })
    .describe('Look after the archive, and let old metadata go.'),
  export: z
    .strictObject({
      ...stepBase,
      to: text('Folder or file relative to the project, or a URL; a password as reference to a variable or file.'),
      format: optional(choice(EXPORT_FORMATS, 'What is written; default parquet.', "'format'")),
      types: optional(texts('Entity types; default all.')),
      relationships: optional(yesNo('Edges too; default true.')),
      history: optional(yesNo('All rows, not the current ones alone; default false.')),
    })
    .describe('Write the tables to files or another database.'),
  expire: z.strictObject({ ...stepBase }).describe('Erase entities whose time is over, as `retention` says.'),
  erase_queue: z
    .strictObject({
      ...stepBase,
      max: optional(whole(1, 1_000, 'Requests at once; default 100.')),
      max_wait: optional(duration('How long stores that do not answer are asked again; default 1h.', { zero: true })),
    })
    .describe('Carry out approved requests to erase and redact.'),
} as const
const STEP_KINDS = Object.keys(stepKinds) as (keyof typeof stepKinds)[]
const step = ofKinds(
  z
    .union([z.enum(STEP_KINDS), ...STEP_KINDS.map((kind) => z.strictObject({ [kind]: stepKinds[kind].nullable() }))])
    .describe('A kind, or a map with the kind as its only key.'),
  { noun: 'step', key: null, bare: true, of: stepKinds },
)

const schedule = z
  .strictObject({
    cron: optional(text('Five fields, or @hourly, @daily, @weekly, @monthly.')),
    every: optional(duration('Period, from `start` on.')),
    timezone: optional(text('IANA name; default UTC.')),
    start: optional(text('Instant of the first slot.')),
    end: optional(text('Instant after the last slot.')),
    overlap: optional(
      choice(['queue', 'skip', 'cancel'], 'While an earlier run is active; default queue.', "'overlap'"),
    ),
    missed: optional(choice(['last', 'all', 'none'], 'Slots nobody ran; default last.', "'missed'")),
    window: optional(duration('How far back missed slots count; default 1d.')),
    jitter: optional(duration('Largest random delay; default 0s.', { zero: true })),
  })
  .describe('When it starts by itself: exactly one of cron and every.')

const retention = z
  .strictObject({
    hot_days: optional(count('Days that events stay in the database.')),
    hot_rows: optional(count('Rows of the ledger that stay in the database.')),
    cold: optional(duration('Age of its last event at which a whole entity expires; default: never.')),
    cold_types: optional(texts('Entity types that expire; default all.')),
    only_states: optional(texts('States in which entities expire; default all.')),
  })
  .describe('How long events stay in the database, and entities at all.')

const checkBase = {
  asset: optional(text('What it is about, as in entity/customer.')),
  severity: optional(choice(['warn', 'error'], 'Default error.', 'severity')),
  blocking: optional(yesNo('Failing fails the step; default true for severity error.')),
  timeout: optional(duration('Default 10m.')),
}
const kindOnly = <K extends string>(kind: K, about: string) =>
  z.strictObject({ kind: z.literal(kind), ...checkBase }).describe(about)
const onColumn = <K extends string>(kind: K, about: string) =>
  z
    .strictObject({ kind: z.literal(kind), ...checkBase, asset: text('Table of the column.'), column: text('Column.') })
    .describe(about)
const rate = <K extends string>(kind: K, most: string, about: string) =>
  z
    .strictObject({ kind: z.literal(kind), ...checkBase, max: optional(share(`Largest share; default ${most}.`)) })
    .describe(about)
const most = <K extends string>(kind: K, about: string) =>
  z
    .strictObject({ kind: z.literal(kind), ...checkBase, max: optional(count('Largest number; default 0.')) })
    .describe(about)
/** Checks by kind (spec 10 §3.7). */
export const checkKinds = {
  history_valid: kindOnly('history_valid', 'Every entity has one open row, no overlap and no gap.'),
  replay_consistent: z
    .strictObject({
      kind: z.literal('replay_consistent'),
      ...checkBase,
      sample: optional(count('Entities to replay; default 100.', 1)),
    })
    .describe('Sampled entities, replayed in memory, equal their rows.'),
  row_count: z
    .strictObject({
      kind: z.literal('row_count'),
      ...checkBase,
      asset: text('Table to count.'),
      min: optional(count('Fewest current rows.')),
      max: optional(count('Most current rows.')),
      max_change: optional(
        z
          .number()
          .min(0)
          .describe('Largest change since the last run, as a share; default 0.5.')
          .register(rules, { outside: outside('zero or more') }),
      ),
    })
    .describe('Number of current rows.'),
  not_null: onColumn('not_null', 'No current row has null there.'),
  unique: onColumn('unique', 'No two current rows have the same value there.'),
  accepted: z
    .strictObject({
      kind: z.literal('accepted'),
      ...checkBase,
      asset: text('Table of the column.'),
      column: text('Column.'),
      values: z
        .array(anyLiteral('Permitted value.'))
        .min(1)
        .describe('Permitted values; null passes.')
        .register(rules, { empty: { code: 'E01', message: 'expected a non-empty list of values' } }),
    })
    .describe('Every current value is one of those.'),
  dangling_edges: kindOnly('dangling_edges', 'Every current edge ends at a current entity.'),
  dead_letter_rate: rate('dead_letter_rate', '0.01', "Unusable records among the last run's."),
  unresolved_rate: rate('unresolved_rate', '0.05', "Records of no entity among the last run's."),
  merge_spike: z
    .strictObject({
      kind: z.literal('merge_spike'),
      ...checkBase,
      factor: optional(
        z
          .number()
          .gt(0)
          .describe('How many times the median of the last 14 runs; default 5.')
          .register(rules, { outside: outside('a number above 0') }),
      ),
      min: optional(count('Fewer merges are no spike; default 20.')),
    })
    .describe('Far more merges than usual.'),
  pending_events: most('pending_events', 'Events not interpreted yet.'),
  inputs_held: most('inputs_held', 'Parts that are held back.'),
  cold_complete: kindOnly('cold_complete', 'Every archived event is in the archive, once.'),
  erasures_closed: z
    .strictObject({
      kind: z.literal('erasures_closed'),
      ...checkBase,
      older_than: optional(duration('Younger ones may be open; default 1d.', { zero: true })),
    })
    .describe('No erasure or redaction that has begun is still open.'),
  fresh: kindOnly('fresh', 'No freshness rule is at error.'),
  sql: z
    .strictObject({
      sql: text('SELECT over the tables of the version; passes if it returns no row.'),
      ...checkBase,
      expect: optional(
        z
          .strictObject({
            op: choice(['=', '!=', '<', '<=', '>', '>='], 'How they are compared.', 'operator'),
            value: z
              .union([z.string(), z.number()])
              .describe('What the one value of the query is compared with.')
              .register(rules, { read: 'literal' }),
          })
          .describe('What its one value must be.'),
      ),
    })
    .describe('A query of your own.'),
} as const
const check = ofKinds(z.union(Object.values(checkKinds)).describe('A question about an asset.'), {
  noun: 'check',
  key: 'kind',
  told: 'sql',
  of: checkKinds,
})

const freshness = z
  .strictObject({
    warn: optional(duration('Lag that is a warning.')),
    error: optional(duration('Lag that is an error.')),
    of: optional(choice(['event', 'arrival', 'build', 'tick', 'flush'], 'Which lag; default by the asset.', "'of'")),
  })
  .describe('How far an asset may lag behind.')

/** Of the web, or a reference that is put in when it is used. */
const address = () =>
  z
    .string()
    .regex(/^([hH][tT][tT][pP][sS]?:\/\/|.*\$\{)/)
    .describe('Address that is posted to: http:// or https://.')
    .register(rules, {
      wrong: { code: 'E01', message: 'expected an address that begins with http:// or https://' },
    })

/** Targets of alerts by kind (spec 10 §3.8). */
export const alertTargets = {
  webhook: z
    .strictObject({
      url: address(),
      headers: optional(named(z.string(), 'Further headers.')),
      secret: optional(text('Key of the signature, as reference to a variable or file.')),
    })
    .describe('Signed JSON by HTTP.'),
  cloudevents: z.strictObject({ url: address() }).describe('CloudEvents 1.0 by HTTP.'),
  file: z.strictObject({ path: text('File, relative to the project.') }).describe('A line per alert.'),
} as const
const alert = z
  .strictObject({
    on: z
      .array(choice(ALERT_EVENTS, 'What happened.', 'alert event'))
      .min(1)
      .describe('What is told.')
      .register(rules, { empty: { code: 'E01', message: 'expected a non-empty list of events' } }),
    to: ofKinds(
      z
        .union([
          z.strictObject({ webhook: alertTargets.webhook }),
          z.strictObject({ cloudevents: alertTargets.cloudevents }),
          z.strictObject({ file: alertTargets.file }),
        ])
        .describe('A map with exactly one of webhook, cloudevents, file.'),
      { noun: 'alert target', key: null, of: alertTargets },
    ),
    min_severity: optional(choice(['warn', 'error'], 'Default warn.', 'severity')),
    repeat: optional(duration('An alert that stays open is told again; default 6h.')),
  })
  .describe('Who is told what.')

/** The body, read key by key. */
export const bodyShape = z.strictObject({
  inputs: optional(named(input, 'Inputs by name.')),
  steps: z
    .array(step)
    .min(1)
    .describe('Steps in order.')
    .register(rules, { empty: { code: 'E01', message: 'expected a non-empty list of steps' } }),
  schedule: optional(schedule),
  as_of: optional(text('Processing time: scheduled, now or an instant; default scheduled.')),
  version: optional(text('Version name pinned for the run; default: active at start.')),
  skip_if_idle: optional(yesNo('End as skipped if nothing is new; default false.')),
  retry: optional(retry),
  timeout: optional(duration('Then the run is cancelled; default 12h.')),
  concurrency: optional(
    z
      .strictObject({
        pool: optional(text('Limit of the configuration that runs share.')),
        parallel: optional(whole(1, 32, 'Inputs read at once; default 1.')),
      })
      .describe('How much runs at once.'),
  ),
  retention: optional(retention),
  checks: optional(named(check, 'Checks by name.')),
  freshness: optional(named(freshness, 'Freshness rules by asset.')),
  alerts: optional(z.array(alert).describe('Who is told what.')),
  tags: optional(named(z.string(), 'Texts stored on runs; no personal data.')),
  description: optional(z.string().describe('About the pipeline.')),
})

/** As definition sets carry it: the body as written, with the findings of reading it. */
export const pipelineShape = bodyShape.describe('A pipeline (spec 10 §3).').register(rules, { read: 'copied' })
