/**
 * Every key of the configuration with the kind of its value (spec 09 §2, 10 §7.2): the one table that files, variables
 * and options are checked against.
 */

export type KeyKind =
  | { readonly kind: 'text'; readonly path?: true; readonly secret?: 'always' | 'url' }
  | { readonly kind: 'integer'; readonly least: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'duration' }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  /** A list of texts; one text stands for a list of one. */
  | { readonly kind: 'list' }
  /** Anything: handed through as it is; secrets inside are still resolved. */
  | { readonly kind: 'open'; readonly secret?: 'always' }
  /** A list of maps of texts, all of them needed; never shown. One map stands for a list of one. */
  | { readonly kind: 'items'; readonly of: readonly [id: string, ...others: string[]] }
  /** Names of the user's choice, each with a value of one kind. */
  | { readonly kind: 'named'; readonly of: KeyKind }
  /** `short`: the key a bare text stands for (`coldLedger: s3://…` means `{url: …}`). */
  | { readonly kind: 'group'; readonly keys: Readonly<Record<string, KeyKind>>; readonly short?: string }

const text: KeyKind = { kind: 'text' }
const path: KeyKind = { kind: 'text', path: true }
const url: KeyKind = { kind: 'text', path: true, secret: 'url' }
const secret: KeyKind = { kind: 'text', secret: 'always' }
const boolean: KeyKind = { kind: 'boolean' }
const duration: KeyKind = { kind: 'duration' }
const list: KeyKind = { kind: 'list' }
const open: KeyKind = { kind: 'open' }
const atLeast = (least: number): KeyKind => ({ kind: 'integer', least })
const choice = (...of: string[]): KeyKind => ({ kind: 'choice', of })

const kafka: Readonly<Record<string, KeyKind>> = {
  bootstrapServers: list,
  topic: text,
  history: choice('consumers', 'both'),
  connect: choice('eager', 'lazy'),
  client: { kind: 'open', secret: 'always' },
}

/** Credentials are not among them: they come from the environment of AWS. */
const storage: Readonly<Record<string, KeyKind>> = {
  region: text,
  endpoint: { kind: 'text', secret: 'url' },
  pathStyle: boolean,
  forcePathStyle: boolean,
  serverSideEncryption: choice('AES256', 'aws:kms', 'aws:kms:dsse'),
  kmsKeyId: text,
  attempts: atLeast(1),
  silenceMs: atLeast(1),
}

/** Options of `Defacto.open` that text can carry (spec 09 §2). */
export const OPTION_KEYS: Readonly<Record<string, KeyKind>> = {
  database: url,
  version: text,
  batchSize: atLeast(1),
  workers: atLeast(1),
  shardId: atLeast(0),
  totalShards: atLeast(1),
  namespace: text,
  kafka: { kind: 'group', keys: kafka },
  coldLedger: {
    kind: 'group',
    short: 'url',
    keys: {
      url,
      flushEveryMs: atLeast(1),
      retention: { kind: 'group', keys: { hotDays: atLeast(0), hotRows: atLeast(0) } },
      storage: { kind: 'group', keys: storage },
    },
  },
  deadLetter: {
    kind: 'group',
    keys: { type: choice('file', 'table', 'kafka'), path, maxBytes: atLeast(1), ...kafka },
  },
  graph: { kind: 'text', secret: 'url' },
  logLevel: choice('DEBUG', 'INFO', 'WARNING', 'ERROR'),
  logFormat: choice('console', 'json'),
  activate: choice('if-new', 'always', 'never'),
  catchUp: boolean,
  mode: choice('development', 'production'),
  migrations: choice('auto', 'check'),
  schemaValidation: choice('enforce', 'warn', 'off'),
  expressionClock: choice('event', 'wall'),
  strict: boolean,
  redactionKey: secret,
  compliance: {
    kind: 'group',
    keys: {
      strict: boolean,
      approval: choice('required', 'none'),
      deadline: duration,
      warnAt: list,
      backups: open,
      signingKey: secret,
      certificates: path,
      exports: open,
    },
  },
  pool: { kind: 'group', keys: { max: atLeast(1), statementTimeoutMs: atLeast(0) } },
  leaseMs: atLeast(1000),
}

/** Keys of a project beside the options (spec 10 §7.2). */
const PROJECT_KEYS: Readonly<Record<string, KeyKind>> = {
  definitions: path,
  engine: choice('temporal', 'local'),
  temporal: {
    kind: 'group',
    keys: {
      address: text,
      namespace: text,
      profile: text,
      prefix: text,
      codec: { kind: 'items', of: ['id', 'key'] },
      versioning: boolean,
      heartbeat: duration,
    },
  },
  pools: { kind: 'named', of: atLeast(1) },
  /** Made by `check()` in `defacto.config.ts`. */
  checks: open,
  retention: {
    kind: 'group',
    keys: {
      metadata: {
        kind: 'group',
        keys: { runs: duration, ticks: duration, checks: duration, logs: duration, deadLetters: duration },
      },
    },
  },
  serve: { kind: 'group', keys: { tokens: { kind: 'open', secret: 'always' } } },
  telemetry: { kind: 'group', keys: { otlp: open, openlineage: open, dagster: { kind: 'open', secret: 'always' } } },
}

const PROFILE_KEYS: Readonly<Record<string, KeyKind>> = { ...OPTION_KEYS, ...PROJECT_KEYS }

/** The whole file. */
export const CONFIG: KeyKind & { kind: 'group' } = {
  kind: 'group',
  keys: { ...PROFILE_KEYS, profiles: { kind: 'named', of: { kind: 'group', keys: PROFILE_KEYS } } },
}

/** `batch_size`, `batch-size`, `bootstrap.servers` and `batchSize` are one key. */
export function foldKey(key: string): string {
  return key.replace(/[_.-]/g, '').toLowerCase()
}

/** The key of `keys` that `spelling` means; undefined if there is none. */
export function canonicalKey(keys: Readonly<Record<string, unknown>>, spelling: string): string | undefined {
  if (Object.hasOwn(keys, spelling)) return spelling
  const folded = foldKey(spelling)
  return Object.keys(keys).find((key) => foldKey(key) === folded)
}

/** `coldLedger` → `cold_ledger`, as files write it. */
export function snakeKey(key: string): string {
  return key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
}

/** `['coldLedger', 'url']` → `cold_ledger.url`. */
export function pathText(at: readonly string[]): string {
  return at.map(snakeKey).join('.')
}

/** `['coldLedger', 'url']` → `DEFACTO_COLD_LEDGER__URL`. */
export function variableName(at: readonly string[]): string {
  return `DEFACTO_${at.map((key) => snakeKey(key).toUpperCase()).join('__')}`
}
