/** Options of `Defacto.open` (spec 09 §2): names in every documented spelling, checked before anything is opened. */
import { type ColdLedger, type ColdLedgerOptions, checkColdLedger } from './cold-options.ts'
import { type Compliance, type ComplianceOptions, checkCompliance } from './compliance.ts'
import { closest } from './core/spelling.ts'
import { ConfigError } from './errors.ts'
import type { DeadLetterSink } from './ports/dead-letter.ts'
import type { LogFormat, LogLevel, LogTarget } from './ports/logger.ts'

export interface FileDeadLetterOptions {
  type: 'file'
  path: string
  /** The file is rotated when it would grow beyond this many bytes. */
  maxBytes?: number
}

/** Letters lie in the space's database. */
export interface TableDeadLetterOptions {
  type: 'table'
}

export interface DefactoOptions {
  /** Database URL or file path; default: `<project>/.defacto/defacto.db`, or a temporary file without a project. */
  database?: string
  /** Version name; default: first 8 hex digits of the content hash. */
  version?: string
  /** Records per ingest chunk (1–100 000); default 100. */
  batchSize?: number
  /** Which part of the entities this process works on, of `totalShards`; both or none, Postgres only (spec 04 §5). */
  shardId?: number
  totalShards?: number
  namespace?: string
  /** Where events go that leave the database (spec 07 §4): a URL or folder, or that with when and how. */
  coldLedger?: string | ColdLedgerOptions
  deadLetter?: FileDeadLetterOptions | TableDeadLetterOptions | DeadLetterSink
  /**
   * Where graph operations read (spec 06 §9.3): `bolt://user:password@host:7687`, filled by `toNeo4j`, or `memory`, a snapshot
   * that is renewed when a build has moved on; default: the store.
   */
  graph?: string
  logLevel?: LogLevel
  logFormat?: LogFormat
  logger?: LogTarget
  /** Whether opening makes these definitions the active version (spec 04 §4.11); default `if-new`. */
  activate?: 'if-new' | 'always' | 'never'
  /** Interpret pending events when opening (spec 04 §4.10); default true. */
  catchUp?: boolean
  /** `production` refuses what serves single machines only: SQLite. */
  mode?: 'development' | 'production'
  migrations?: 'auto' | 'check'
  schemaValidation?: 'enforce' | 'warn' | 'off'
  expressionClock?: 'event' | 'wall'
  /** Unknown definition keys are errors. */
  strict?: boolean
  /** Key of tokens and of the `hash` treatment (spec 05 §5.2); default: one that is made with the space and kept in it. */
  redactionKey?: string | Uint8Array
  /** Erasures and redactions: who approves, until when, what proves them (spec 10 §10). */
  compliance?: ComplianceOptions
  /** Connections to Postgres: how many at most (3 or more, default 10), and the longest statement (0: no limit). */
  pool?: { max?: number; statementTimeoutMs?: number }
  /** A writer that was silent for so long has its slot taken over, at least 1000; default 90 000 (spec 10 §4.4). */
  leaseMs?: number
  /** Processing time, for tests and demonstrations. */
  clock?: () => Date
  /** Makes entity ids; default random UUIDs. For tests. */
  newId?: () => string
}

const NAMES: readonly (keyof DefactoOptions)[] = [
  'database',
  'version',
  'batchSize',
  'shardId',
  'totalShards',
  'namespace',
  'coldLedger',
  'deadLetter',
  'graph',
  'logLevel',
  'logFormat',
  'logger',
  'activate',
  'catchUp',
  'mode',
  'migrations',
  'schemaValidation',
  'expressionClock',
  'strict',
  'redactionKey',
  'compliance',
  'pool',
  'leaseMs',
  'clock',
  'newId',
]

/** Options of the specification that this version of the package does not offer; named so that nobody guesses. */
const NOT_OFFERED = ['workers', 'kafka'] as const

const CHOICES: Partial<Record<keyof DefactoOptions, readonly string[]>> = {
  logLevel: ['DEBUG', 'INFO', 'WARNING', 'ERROR'],
  logFormat: ['console', 'json'],
  activate: ['if-new', 'always', 'never'],
  mode: ['development', 'production'],
  migrations: ['auto', 'check'],
  schemaValidation: ['enforce', 'warn', 'off'],
  expressionClock: ['event', 'wall'],
}

/** Options as the rest of the package reads them. */
export type CheckedOptions = Omit<DefactoOptions, 'coldLedger' | 'compliance'> & {
  coldLedger?: ColdLedger
  compliance: Compliance
}

/** The documented spelling of an option name: `batch_size`, `batch-size`, `batch.size` → `batchSize`. */
export function optionName(spelling: string): string {
  return spelling.replace(/[_.-]+([a-zA-Z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Options under their documented names; `ConfigError` for unknown names (with a suggestion) and wrong values. */
export function checkOptions(given: object): CheckedOptions {
  const options: Record<string, unknown> = {}
  for (const [spelling, value] of Object.entries(given)) {
    const name = optionName(spelling)
    if ((NOT_OFFERED as readonly string[]).includes(name)) {
      if (value === undefined) continue
      throw new ConfigError(`option '${name}' is not available in this version of the package`, {
        code: 'E_CONFIG_NOT_AVAILABLE',
        details: { option: name },
      })
    }
    if (!(NAMES as readonly string[]).includes(name)) {
      const guess = closest(name, NAMES)
      throw new ConfigError(`unknown option '${spelling}'${guess ? `, did you mean '${guess}'?` : ''}`, {
        code: 'E_CONFIG_UNKNOWN_OPTION',
        details: { option: spelling, suggestion: guess ?? null },
      })
    }
    if (value === undefined) continue
    if (Object.hasOwn(options, name)) throw new ConfigError(`option '${name}' is given twice, once as '${spelling}'`)
    options[name] = value
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = options[name]
    if (value !== undefined && !choices.includes(value as string)) {
      throw new ConfigError(`option '${name}' must be one of ${choices.join(', ')}`, { details: { option: name } })
    }
  }
  for (const name of ['catchUp', 'strict']) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean') {
      throw new ConfigError(`option '${name}' must be true or false`, { details: { option: name } })
    }
  }
  for (const name of ['clock', 'newId']) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw new ConfigError(`option '${name}' must be a function`, { details: { option: name } })
    }
  }
  requireMethods(options, 'logger', ['debug', 'info', 'warn', 'error'])
  if (options['deadLetter'] !== undefined) options['deadLetter'] = checkDeadLetter(options)
  const { batchSize } = options
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && Number(batchSize) >= 1 && Number(batchSize) <= 1e5)) {
    throw new ConfigError(`option 'batchSize' must be a whole number from 1 to 100000`)
  }
  const { leaseMs } = options
  if (leaseMs !== undefined && !(Number.isSafeInteger(leaseMs) && Number(leaseMs) >= 1000)) {
    throw new ConfigError(`option 'leaseMs' must be a whole number of milliseconds, at least 1000`)
  }
  for (const name of ['database', 'version', 'namespace', 'graph']) {
    if (options[name] !== undefined && (typeof options[name] !== 'string' || options[name] === '')) {
      throw new ConfigError(`option '${name}' must be a non-empty text`)
    }
  }
  const { version, namespace, mode, database } = options as DefactoOptions
  if (version !== undefined && !/^[A-Za-z0-9_]+$/.test(version)) {
    throw new ConfigError(`version name '${version}' may hold only letters, digits and '_'`)
  }
  if (namespace !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(namespace)) {
    throw new ConfigError(`namespace '${namespace}' must match [A-Za-z_][A-Za-z0-9_]*`)
  }
  if (options['pool'] !== undefined) options['pool'] = checkPool(options['pool'])
  checkShard(options as DefactoOptions)
  if (mode === 'production' && (database === undefined || !isPostgres(database))) {
    throw new ConfigError("mode 'production' needs a Postgres database; SQLite serves development and single machines")
  }
  if (database !== undefined && !isPostgres(database)) sqlitePath(database)
  if (options['coldLedger'] !== undefined) options['coldLedger'] = checkColdLedger(options['coldLedger'], optionName)
  checkRedactionKey(options['redactionKey'])
  options['compliance'] = checkCompliance(options['compliance'] ?? {}, optionName)
  return options as unknown as CheckedOptions
}

/** Short ones can be guessed, and with them what the tokens stand for. */
const LEAST_KEY = 16

function checkRedactionKey(given: unknown): void {
  if (given === undefined) return
  const isKey = typeof given === 'string' || given instanceof Uint8Array
  if (isKey && given.length >= LEAST_KEY) return
  throw new ConfigError(`option 'redactionKey' must be a text or bytes of at least ${LEAST_KEY}`)
}

function checkPool(given: unknown): unknown {
  const known = ['max', 'statementTimeoutMs']
  if (typeof given !== 'object' || given === null) throw new ConfigError("option 'pool' must be an object")
  const pool = Object.fromEntries(Object.entries(given).map(([spelling, value]) => [optionName(spelling), value]))
  for (const [name, value] of Object.entries(pool)) {
    if (!known.includes(name)) throw new ConfigError(`unknown option 'pool.${name}'; known: ${known.join(', ')}`)
    const least = name === 'max' ? 3 : 0
    if (value !== undefined && !(Number.isSafeInteger(value) && Number(value) >= least)) {
      throw new ConfigError(`option 'pool.${name}' must be a whole number of at least ${least}`)
    }
  }
  return pool
}

function checkShard({ shardId, totalShards, database }: DefactoOptions): void {
  if (shardId === undefined && totalShards === undefined) return
  if (shardId === undefined || totalShards === undefined) {
    throw new ConfigError("options 'shardId' and 'totalShards' are given together")
  }
  const whole = Number.isSafeInteger(shardId) && Number.isSafeInteger(totalShards)
  if (!whole || totalShards < 1 || totalShards > 1024 || shardId < 0 || shardId >= totalShards) {
    throw new ConfigError(
      `shardId ${shardId} of totalShards ${totalShards}: needed are whole numbers with 0 <= shardId < totalShards <= 1024`,
    )
  }
  if (database === undefined || !isPostgres(database)) {
    throw new ConfigError('sharding needs a Postgres database; a SQLite file has one writer')
  }
}

function requireMethods(options: Record<string, unknown>, name: string, methods: readonly string[]): void {
  const value = options[name]
  if (value === undefined) return
  const has = (method: string): boolean => typeof (value as Record<string, unknown> | null)?.[method] === 'function'
  if (methods.every(has)) return
  throw new ConfigError(
    `option '${name}' must be an object with ${methods.map((method) => `${method}()`).join(', ')}`,
    {
      details: { option: name },
    },
  )
}

/** A sink as it is, or the options of the file sink under their documented names. */
function checkDeadLetter(options: Record<string, unknown>): unknown {
  const given = options['deadLetter']
  const isFile = typeof given === 'object' && given !== null && 'type' in given && given.type === 'file'
  if (!isFile) {
    if (typeof given === 'object' && given !== null && 'type' in given && !('send' in given)) return given
    requireMethods(options, 'deadLetter', ['send', 'close'])
    return given
  }
  return Object.fromEntries(Object.entries(given).map(([spelling, value]) => [optionName(spelling), value]))
}

export function isPostgres(database: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(database)
}

/** The SQLite file a database URL means (spec 07 §1); other schemes are a `ConfigError` that lists what is supported. */
export function sqlitePath(database: string): string {
  if (database.startsWith('sqlite:///')) return database.slice('sqlite:///'.length) || ':memory:'
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(database)?.[1]
  if (scheme !== undefined) {
    throw new ConfigError(
      `database scheme '${scheme}://' is not supported; use postgresql://…, a file path, sqlite:///path or :memory:`,
      { code: 'E_CONFIG_DATABASE', details: { scheme } },
    )
  }
  return database
}
