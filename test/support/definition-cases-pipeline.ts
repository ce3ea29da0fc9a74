/** Cases of pipelines (spec 10 §3): P01–P12 and PW1–PW5, and the codes that all kinds of definitions share. */

import { put } from './clean-definitions.ts'
import { c, type DefinitionCase } from './definition-case.ts'

/** Beside the clean set: no error and no warning. */
const CLEAN = {
  description: 'every night',
  schedule: { cron: '0 5 * * *', timezone: 'Europe/Berlin', missed: 'last', jitter: '1m' },
  timeout: '4h',
  concurrency: { parallel: 2 },
  tags: { team: 'lending' },
  inputs: {
    files: {
      source: 'web',
      kind: 'files',
      path: 'in/web-*.ndjson',
      window: 'web-{date}',
      after: 'move',
      move_to: 'done/',
    },
    bucket: {
      source: 'web',
      kind: 's3',
      url: 's3://in/web/',
      pattern: '*.csv',
      format: 'csv',
      csv: { delimiter: ';' },
    },
    rows: {
      source: 'web',
      kind: 'postgres',
      database: `\${env:WEB_DATABASE}`,
      query: 'select record, at from outbound where at > :cursor order by at',
      cursor: { column: 'at', initial: 0, overlap: '10m' },
      on_error: { max_ratio: 0.02, max_count: 5, min_records: 10, action: 'warn', dead_letters: 'sink' },
    },
    pushed: { source: 'web', kind: 'inbox', batch: 10 },
  },
  steps: [
    { ingest: { inputs: ['files', 'bucket', 'rows', 'pushed'] } },
    { build: { retry: { attempts: 0, backoff: '5s', factor: 1.5, max: '5m' } } },
    'tick',
    { check: { only: ['rows', 'sized'] } },
    'flush',
    'prune',
    { maintain: { verify: false, needs: ['tick'], when: 'always' } },
  ],
  retention: { hot_days: 30, hot_rows: 1000 },
  checks: {
    rows: { kind: 'history_valid', asset: 'entity/item/history' },
    sized: { kind: 'not_null', asset: 'entity/item', column: 'size' },
    edges: { kind: 'unique', asset: 'relationship/owned_by', column: 'source_id' },
    counted: { kind: 'row_count', asset: 'entity/owner', min: 1, max: 9 },
    free: { sql: 'select item_id from item_history where size = 0', severity: 'warn', asset: 'entity/item' },
  },
  freshness: { 'source/web': { warn: '1d', error: '2d' }, 'entity/item/history': { error: '3h', of: 'tick' } },
  alerts: [
    { on: ['failure', 'check'], to: { webhook: { url: 'https://a.example', secret: `\${env:ALERTS}` } } },
    { on: ['recovered'], to: { file: { path: 'out/alerts.jsonl' } }, min_severity: 'error', repeat: '1h' },
  ],
}
export function cleanPipeline(): Record<string, unknown> {
  return structuredClone(CLEAN)
}

const nightly = 'pipelines.nightly'

/** Changes of the clean pipeline, by path inside it, and where the finding is. */
function p(code: string, change: Record<string, unknown>, path: string, says: string): DefinitionCase {
  const pipeline = cleanPipeline()
  for (const [at, value] of Object.entries(change)) put(pipeline, at, value)
  return c(code, { pipelines: { nightly: pipeline } }, path === '' ? nightly : `${nightly}.${path}`, says)
}
/** One change, found where it is made. */
const at = (code: string, path: string, value: unknown, says: string): DefinitionCase =>
  p(code, { [path]: value }, path, says)
/** The schedule alone. */
const due = (code: string, schedule: Record<string, unknown>, path: string, says: string): DefinitionCase =>
  p(code, { schedule }, path === '' ? 'schedule' : `schedule.${path}`, says)
const files = { source: 'web', kind: 'files', path: 'in/*' }

export const PIPELINE_CASES: readonly DefinitionCase[] = [
  at('E01', 'as_of', 'yesterday', 'expected scheduled, now or an instant'),
  p('E01', { steps: ['check', 5] }, 'steps[1]', 'expected a step kind or a map'),
  p('E01', { steps: ['check', { build: {}, tick: {} }] }, 'steps[1]', 'found 2 keys'),
  at('E01', 'tags.team', 5, 'expected text (put it in quotes)'),
  at('E01', 'skip_if_idle', 'yes', 'expected true or false'),
  p('E02', { 'inputs.files.source': undefined }, 'inputs.files', "missing required field 'source'"),
  p('E02', { 'inputs.files.kind': undefined }, 'inputs.files', "missing required field 'kind'"),
  p('E02', { 'checks.free.sql': undefined }, 'checks.free', "missing required field 'kind' or 'sql'"),
  p('E04', { 'inputs.Web': files }, 'inputs.Web', "invalid name 'Web'"),
  p('E04', { 'steps[4]': { flush: { id: 'a b' } } }, 'steps[4].flush.id', "invalid name 'a b'"),
  at('E06', 'inputs.files.settle', 'soon', "invalid duration 'soon'"),
  p('E06', { retry: { max: '0s' } }, 'retry.max', "invalid duration '0s'"),
  at('W09', 'inputs.files.formt', 'csv', "unknown key 'formt' is ignored (did you mean 'format'?)"),

  at('P01', 'inputs.files.source', 'wbe', "source 'wbe', which is not defined (did you mean 'web'?)"),
  p('P01', { 'steps[0].ingest.inputs': ['flies'] }, 'steps[0].ingest.inputs', "(did you mean 'files'?)"),
  p(
    'P01',
    { 'steps[1]': { export: { to: 'out/', types: ['nobody'] } } },
    'steps[1].export.types',
    "entity 'nobody', which is not defined",
  ),
  p('P01', { 'steps[3].check.only': ['nothing'] }, 'steps[3].check.only', "check 'nothing', which is not defined"),
  at(
    'P01',
    'checks.rows.asset',
    'entity/itm',
    "asset 'entity/itm', which is not defined (did you mean 'entity/item'?)",
  ),
  at('P01', 'checks.free.asset', 'items', 'which is not defined'),
  at('P01', 'checks.sized.column', 'sise', "property 'sise' of item, which is not defined (did you mean 'size'?)"),
  at('P01', 'checks.edges.column', 'size', "property 'size' of owned_by, which is not defined"),
  p(
    'P01',
    { retention: { hot_days: 3, cold: '90d', cold_types: ['itme'] } },
    'retention.cold_types',
    "entity 'itme', which is not defined (did you mean 'item'?)",
  ),
  p(
    'P01',
    { retention: { hot_days: 3, cold: '90d', only_states: ['nwe'] } },
    'retention.only_states',
    "state 'nwe', which is not defined (did you mean 'new'?)",
  ),
  p('P01', { 'freshness["entity/nobody"]': { warn: '1d' } }, 'freshness.entity/nobody', 'which is not defined'),

  p('P02', { 'inputs.files.path': undefined }, 'inputs.files', "input kind 'files' requires 'path'"),
  at('P02', 'inputs.files.query', 'select 1', "'query' only applies to postgres, not to files"),
  at('P02', 'inputs.pushed.format', 'csv', "'format' only applies to files, s3, not to inbox"),
  p('P02', { 'inputs.files.move_to': undefined }, 'inputs.files.after', "requires 'move_to'"),
  p('P02', { 'inputs.files.after': 'keep' }, 'inputs.files.move_to', 'only applies to'),
  p('P02', { 'inputs.bucket.format': 'json' }, 'inputs.bucket.csv', "'csv' only applies to format csv, not to json"),
  at('P02', 'inputs.bucket.records', 'items', "'records' only applies to format json"),
  at('P02', 'inputs.files.window', 'web', "'window' requires '{date}'"),
  at('P02', 'inputs.rows.query', 'select 1', "'cursor' requires ':cursor' in the query"),
  p('P02', { 'inputs.rows.cursor': undefined }, 'inputs.rows.query', "':cursor' in the query requires 'cursor'"),
  p('P02', { 'steps[4]': { flush: { verify: true } } }, 'steps[4].flush.verify', "'verify' only applies to maintain"),
  p('P02', { retention: undefined }, 'steps[5]', "step kind 'prune' requires 'before', or 'retention'"),
  p('P02', { 'checks.sized.column': undefined }, 'checks.sized', "check kind 'not_null' requires 'column'"),
  p(
    'P02',
    { 'steps[1]': { expire: {} } },
    'steps[1]',
    "step kind 'expire' requires 'retention' of the pipeline with cold",
  ),
  p('P02', { 'steps[1]': { expire: { max: 3 } } }, 'steps[1].expire.max', "'max' only applies to erase_queue"),
  at('P02', 'checks.rows.sql', 'select 1', "'sql' only applies to sql, not to history_valid"),
  at('P02', 'checks.rows.asset', 'source/web', "check kind 'history_valid' only applies to entity/<name>"),

  at('P03', 'inputs.files.kind', 'flies', "unknown input kind 'flies'"),
  at('P03', 'inputs.files.kind', 'kafka', "input 'kafka' is not available in this version of the package"),
  at('P03', 'inputs.files.format', 'xml', "unknown format 'xml'"),
  p('P03', { 'steps[1]': 'biuld' }, 'steps[1]', "unknown step kind 'biuld': expected one of ingest, build"),
  p('P03', { 'checks.free.expect': { op: '~', value: 1 } }, 'checks.free.expect.op', "unknown operator '~'"),
  p('P03', { 'alerts[0].on': ['failre'] }, 'alerts[0].on[0]', "(did you mean 'failure'?)"),
  p('P03', { 'alerts[0].to': { mail: {} } }, 'alerts[0].to', "unknown alert target kind 'mail'"),

  p(
    'P04',
    { 'steps[2]': { tick: { id: 'a' } }, 'steps[4]': { flush: { id: 'a' } } },
    'steps[4].flush.id',
    "duplicate step id 'a'",
  ),
  p(
    'P04',
    { 'steps[6].maintain.needs': ['tikc'] },
    'steps[6].maintain.needs',
    "which is no step (did you mean 'tick'?)",
  ),
  p('P04', { 'steps[1].build.needs': ['check'] }, 'steps[1].build.needs', 'step needs itself: build needs check'),

  due('P06', { timezone: 'UTC' }, '', "exactly one of 'cron' and 'every'"),
  due('P06', { cron: '@daily', every: '1d' }, '', "both 'cron' and 'every'"),
  due('P06', { cron: '0 25 * * *' }, 'cron', 'cannot be read: Invalid value for hour: 25'),
  due('P06', { cron: '0 2 * *' }, 'cron', 'expected five fields'),
  due('P06', { cron: '0 0 31 2 *' }, '', 'the schedule is never due'),
  due('P06', { every: '1d', start: '2026-02-01', end: '2026-01-01' }, '', 'never due'),
  due('P06', { every: '1d', start: 'soon' }, 'start', "start 'soon' is no instant"),
  due('P06', { cron: '@daily', timezone: 'Europe/Brelin' }, 'timezone', "(did you mean 'Europe/Berlin'?)"),
  due('P07', { cron: '@daily', missed: 'all', overlap: 'skip' }, 'missed', "requires 'overlap: queue'"),
  due('P07', { every: '5m', jitter: '5m' }, 'jitter', 'shorter than the time between two slots'),
  due('P07', { cron: '0 5,6 * * *', jitter: '1h' }, 'jitter', 'schedule'),

  p('P09', { 'freshness["source/web"]': {} }, 'freshness.source/web', 'needs a bound'),
  p(
    'P09',
    { 'freshness["source/web"].warn': '3d' },
    'freshness.source/web.warn',
    'warns after 3d, later than the error',
  ),
  p(
    'P09',
    { 'freshness["source/web"].of': 'tick' },
    'freshness.source/web.of',
    'measured as event or arrival, not as tick',
  ),
  p(
    'P09',
    { 'freshness.dead_letters': { warn: '1d' } },
    'freshness.dead_letters',
    'freshness of dead_letters is not known',
  ),

  at('P10', 'inputs.pushed.batch', 0, '0 is out of range: expected a whole number from 1 to 10000'),
  at('P10', 'concurrency.parallel', 33, 'out of range'),
  at('P10', 'inputs.rows.on_error.max_ratio', 1.5, 'out of range: expected a share from 0 to 1'),
  at('P10', 'retention.hot_days', -1, 'out of range: expected a whole number of at least 0'),
  at('P10', 'checks.counted.min', 10, "10 is out of range: it is above 'max' 9"),

  at('P11', 'inputs.rows.database', 'postgresql://me:hush@db/x', 'secret in clear'),
  at('E01', 'alerts[0].to.webhook.url', 'file:///etc/passwd', 'http:// or https://'),
  p(
    'P11',
    { 'steps[1]': { export: { to: 'bolt://me:hush@graph', format: 'neo4j' } } },
    'steps[1].export.to',
    'secret in clear',
  ),
  at('P11', 'alerts[0].to.webhook.secret', 'hush', 'secret in clear'),
  at('P11', 'alerts[0].to.webhook.url', 'https://me:hush@a.example', 'secret in clear'),
  p(
    'P11',
    { 'alerts[0].to.webhook.headers': { Authorization: 'Bearer hush' } },
    'alerts[0].to.webhook.headers.Authorization',
    'secret in clear',
  ),

  c(
    'P12',
    { pipelines: { nightly: cleanPipeline(), weekly: { steps: ['build'], retention: { hot_days: 3 } } } },
    'pipelines.weekly.retention',
    "second 'retention' of the space: pipeline 'nightly' declares one already",
  ),
  at('P12', 'retention.cold', '10d', "retention 'cold' of 10d is below 'hot_days' 30"),
  at('P12', 'retention.cold_types', ['item'], "retention 'cold_types' requires 'cold': nothing expires without it"),
  at('P12', 'retention.only_states', ['new'], "retention 'only_states' requires 'cold'"),

  due('PW1', { cron: '30 2 * * *', timezone: 'Europe/Berlin' }, 'cron', '02:30 in Europe/Berlin does not exist'),
  due(
    'PW1',
    { cron: '30 1 * * *', timezone: 'America/New_York' },
    'cron',
    'comes twice: two slots on days like 2026-11-01',
  ),
  p('PW2', { steps: ['build'] }, 'checks', "there is no 'check' step"),
  p('PW3', { steps: ['check', 'prune', 'flush'] }, 'steps[1]', "no 'flush' before 'prune'"),
  at('PW4', 'inputs.rows.on_error.dead_letters', 'off', 'dead letters are off'),
  p('PW5', { 'freshness["source/web"]': undefined }, 'inputs.pushed', "neither 'required' nor under a freshness rule"),
]
