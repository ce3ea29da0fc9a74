/** Shapes of requests and answers: what checks the former and describes both (spec 10 §9). */
import { z } from 'zod'
import { instantFromText, parseDurationText } from '../core/instant.ts'
import { RUN_STATUSES } from '../ports/runs.ts'

const instant = z
  .string()
  .refine((text) => instantFromText(text) !== null, 'is no instant like 2024-06-01T12:00:00Z')
  .meta({ format: 'date-time' })
const name = z.string().min(1).max(128)
const sequence = z.int().min(0)
const nullable = <T extends z.ZodType>(type: T) => z.union([type, z.null()])
const number = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'is no whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `is not between ${least} and ${most}`)

/** Input of each operation, names in snake case as everywhere in JSON. */
export const INPUTS = {
  pipeline: z.strictObject({ pipeline: name, only: z.array(name).optional() }),
  build: z.strictObject({
    version: name.optional(),
    full: z.boolean().optional(),
    from_raw: z.boolean().optional(),
  }),
  tick: z.strictObject({ version: name.optional() }),
  check: z.strictObject({ pipeline: name, only: z.array(name).optional() }),
  flush: z.strictObject({ up_to: sequence.optional() }),
  prune: z.strictObject({ before: sequence.optional() }),
  maintain: z.strictObject({
    compact: z.boolean().optional(),
    vacuum: z.boolean().optional(),
    verify: z.boolean().optional(),
  }),
} as const

const common = {
  tags: z.record(z.string().max(64), z.string().max(128)).optional(),
  as_of: instant.optional(),
}
/** `POST /v1/runs`. */
export const RUN_REQUEST = z
  .discriminatedUnion(
    'op',
    [
      z.strictObject({ op: z.literal('pipeline'), input: INPUTS.pipeline, ...common }),
      z.strictObject({ op: z.literal('build'), input: INPUTS.build.optional(), ...common }),
      z.strictObject({ op: z.literal('tick'), input: INPUTS.tick.optional(), ...common }),
      z.strictObject({ op: z.literal('check'), input: INPUTS.check, ...common }),
      z.strictObject({ op: z.literal('flush'), input: INPUTS.flush.optional(), ...common }),
      z.strictObject({ op: z.literal('prune'), input: INPUTS.prune.optional(), ...common }),
      z.strictObject({ op: z.literal('maintain'), input: INPUTS.maintain.optional(), ...common }),
    ],
    { error: `'op' must be one of ${Object.keys(INPUTS).join(', ')}` },
  )
  .meta({ id: 'RunRequest' })
export type RunRequest = z.output<typeof RUN_REQUEST>

export const REASON = z.strictObject({ reason: z.string().max(200).optional() }).optional()

const RUN_ERROR = z.object({ code: z.string(), class: z.string(), message: z.string(), recoverable: z.boolean() })

export const RUN = z
  .object({
    run_id: z.string(),
    op: z.string(),
    pipeline: nullable(z.string()),
    step: nullable(z.string()),
    parent_run_id: nullable(z.string()),
    retry_of: nullable(z.string()),
    idempotency_key: nullable(z.string()),
    trigger: z.string(),
    scheduled_for: nullable(z.string()),
    as_of: nullable(z.string()),
    window_from: nullable(z.string()),
    window_to: nullable(z.string()),
    version: nullable(z.string()),
    definition_hash: nullable(z.string()),
    package: z.string(),
    mode: nullable(z.string()),
    from_seq: nullable(z.int()),
    to_seq: nullable(z.int()),
    status: z.enum(RUN_STATUSES),
    waiting_for: nullable(z.string()),
    stats: z.record(z.string(), z.unknown()).describe('counters'),
    attempt: z.int(),
    epoch: z.int(),
    error: nullable(RUN_ERROR),
    tags: z.record(z.string(), z.string()),
    engine: z.enum(['temporal', 'local']),
    workflow_id: nullable(z.string()),
    cancel_reason: nullable(z.string()),
    created_at: z.string(),
    started_at: nullable(z.string()),
    progress_at: nullable(z.string()),
    finished_at: nullable(z.string()),
  })
  .meta({ id: 'Run' })
export const RUN_WITH_STEPS = RUN.extend({ steps: z.array(RUN) }).meta({ id: 'RunWithSteps' })
export const RUNS = z.object({ runs: z.array(RUN) }).meta({ id: 'Runs' })
export const ACCEPTED = z.object({ run_id: z.string(), status: z.string() }).meta({ id: 'Accepted' })
export const STORED = z
  .object({ batch_id: z.string(), run_id: z.string(), status: z.string() })
  .meta({ id: 'StoredBatch' })
export const RUN_EVENT = z
  .object({
    run_id: z.string(),
    seq: z.int(),
    at: z.string(),
    kind: z.enum(['log', 'progress', 'retry', 'state', 'materialization', 'check']),
    step: nullable(z.string()),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    code: nullable(z.string()),
    message: z.string(),
    data: z.unknown(),
  })
  .meta({ id: 'RunEvent' })
export const PROBLEM = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    recoverable: z.boolean(),
  })
  .meta({ id: 'Problem' })
export const ROWS = z
  .object({ rows: z.array(z.record(z.string(), z.unknown())), more: z.boolean() })
  .meta({ id: 'Rows' })
export const TIMELINE = z
  .object({
    entity_id: z.string(),
    entity_type: z.string(),
    resolved_from: nullable(z.string()),
    entries: z.array(z.object({ timestamp: z.string(), event_type: z.string(), effects: z.array(z.string()) })),
    more: z.boolean(),
  })
  .meta({ id: 'Timeline' })
/** Lists whose elements are what the command of the same name prints with `-o json`. */
export const listOf = (key: string) => z.object({ [key]: z.array(z.record(z.string(), z.unknown())) })

const words = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
)
export const RUN_QUERY = z.strictObject({
  status: words
    .pipe(z.array(z.enum(RUN_STATUSES)))
    .optional()
    .describe('statuses, separated by commas'),
  op: words.optional().describe('operations, separated by commas'),
  pipeline: name.optional(),
  tag: z
    .string()
    .regex(/^[^=]+=/, 'is not key=value')
    .optional()
    .describe('key=value'),
  since: instant.optional().describe('created at or after'),
  limit: number(1, 1000).default(100),
})
/** The longest wait of one request. */
const LONGEST_WAIT_MS = 60_000
export const WAIT_QUERY = z.strictObject({
  wait: z
    .string()
    .transform((text, context) => {
      const found = parseDurationText(text)
      if (found !== null && found.ms >= 0 && found.ms <= LONGEST_WAIT_MS) return found.ms
      context.addIssue({ code: 'custom', message: 'is no duration up to 60s' })
      return z.NEVER
    })
    .optional()
    .describe('wait for the end of the run at most so long, e.g. 30s'),
})
export const EVENTS_QUERY = z.strictObject({
  after: number(0, Number.MAX_SAFE_INTEGER).default(0).describe('events above this number'),
  follow: z.enum(['true', 'false']).default('false').describe('true: go on until the run ends'),
})
const rows = {
  limit: number(1, 10_000).default(100),
  where: z.string().optional().describe(`conditions as JSON, e.g. {"plan": "pro"}`),
  columns: words.optional().describe('only these, separated by commas'),
  order_by: words.optional().describe('sort by these columns'),
  as_of: instant.optional(),
  version: name.optional(),
}
export const TABLE_QUERY = z.strictObject(rows)
export const TIMELINE_QUERY = z.strictObject({ limit: number(1, 10_000).default(1000) })
export const PUSH_QUERY = z.strictObject({
  process: z.enum(['true', 'false']).default('false').describe('true: build afterwards'),
})
