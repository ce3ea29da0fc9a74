/** One session with the orchestrator that started this process: messages out, context in (spec 10 §9). */
import { ConfigError, DefactoError } from '../errors.ts'
import type { Json } from '../ports/runs.ts'
import { type Channel, openChannel } from './channel.ts'
import {
  CONTEXT_VARIABLE,
  decodeVariable,
  type LogLevel,
  MESSAGES_VARIABLE,
  type Metadata,
  type MetadataValue,
  type PipesContext,
  type PipesException,
  readContext,
  type Severity,
} from './protocol.ts'

/** Numbers become `int` or `float`, other plain values what they are; anything else is given as `{type, raw_value}`. */
export type MetadataInput = Readonly<Record<string, number | string | boolean | null | MetadataValue>>

export interface MaterializationReport {
  readonly dataVersion?: string | null
  readonly metadata?: MetadataInput
}
export interface CheckReport {
  readonly asset: string
  readonly check: string
  readonly passed: boolean
  /** Default `ERROR`. */
  readonly severity?: Severity
  readonly metadata?: MetadataInput
}

/** Every call is allowed without an orchestrator too, and does nothing then. */
export interface Pipes {
  /** Null: nobody started this process as a step. */
  readonly context: PipesContext | null
  log(message: string, level?: LogLevel): void
  /**
   * The asset has new content. Told once per asset, when the session ends; of several reports the last one counts, field
   * by field.
   */
  materialized(asset: string, report?: MaterializationReport): void
  checked(report: CheckReport): void
  custom(payload: Json): void
}

const NOBODY: Pipes = { context: null, log: () => {}, materialized: () => {}, checked: () => {}, custom: () => {} }

/**
 * Runs `work` as the step of a Dagster Pipes session: `opened` first, `closed` last, with the error if it throws. Without
 * `DAGSTER_PIPES_CONTEXT` and `DAGSTER_PIPES_MESSAGES` in the environment it just runs.
 */
export async function withPipes<T>(
  work: (pipes: Pipes) => Promise<T>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<T> {
  const [context, messages] = [env[CONTEXT_VARIABLE], env[MESSAGES_VARIABLE]]
  if (!context || !messages) return work(NOBODY)
  const channel = openChannel(decodeVariable(MESSAGES_VARIABLE, messages))
  const session = new Session(channel, await readContext(decodeVariable(CONTEXT_VARIABLE, context)))
  try {
    const result = await work(session)
    session.close(null)
    return result
  } catch (error) {
    session.close(error)
    throw error
  }
}

class Session implements Pipes {
  readonly context: PipesContext
  readonly #channel: Channel
  readonly #assets = new Map<string, { dataVersion: string | null; metadata: Record<string, MetadataValue> }>()

  constructor(channel: Channel, context: PipesContext) {
    this.#channel = channel
    this.context = context
    channel.write({ method: 'opened', params: { extras: {} } })
  }

  log(message: string, level: LogLevel = 'INFO'): void {
    this.#channel.write({ method: 'log', params: { message, level } })
  }

  materialized(asset: string, { dataVersion = null, metadata = {} }: MaterializationReport = {}): void {
    const told = this.#assets.get(asset) ?? { dataVersion: null, metadata: {} }
    told.dataVersion = dataVersion ?? told.dataVersion
    Object.assign(told.metadata, typedMetadata(metadata))
    this.#assets.set(asset, told)
  }

  checked({ asset, check, passed, severity = 'ERROR', metadata }: CheckReport): void {
    this.#channel.write({
      method: 'report_asset_check',
      params: {
        asset_key: asset,
        check_name: check,
        passed,
        severity,
        metadata: metadata === undefined ? null : typedMetadata(metadata),
      },
    })
  }

  custom(payload: Json): void {
    this.#channel.write({ method: 'report_custom_message', params: { payload } })
  }

  close(error: unknown): void {
    for (const [asset, { dataVersion, metadata }] of this.#assets) {
      this.#channel.write({
        method: 'report_asset_materialization',
        params: { asset_key: asset, data_version: dataVersion, metadata },
      })
    }
    this.#channel.write({ method: 'closed', params: error === null ? {} : { exception: exceptionOf(error) } })
    this.#channel.close()
  }
}

export function typedMetadata(input: MetadataInput): Metadata {
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, typed(value)]))
}

function typed(value: MetadataInput[string]): MetadataValue {
  if (value === null) return { type: 'null', raw_value: null }
  if (typeof value === 'object') return checkedValue(value)
  if (typeof value === 'boolean') return { type: 'bool', raw_value: value }
  if (typeof value === 'string') return { type: 'text', raw_value: value }
  // What JSON cannot say is said as text.
  if (!Number.isFinite(value)) return { type: 'text', raw_value: String(value) }
  return { type: Number.isSafeInteger(value) ? 'int' : 'float', raw_value: value }
}

/** The other side reads nothing more after a value that is not what its type says. */
function checkedValue(value: MetadataValue): MetadataValue {
  if (FITS[value.type]?.(value.raw_value)) return value
  throw new ConfigError(`metadata of a step: the value is not of its type '${value.type}'`, { code: 'E_CONFIG_PIPES' })
}

const isText = (value: Json): boolean => typeof value === 'string'
const isNumber = (value: Json): boolean => typeof value === 'number' && Number.isFinite(value)
const FITS: Readonly<Record<MetadataValue['type'], (value: Json) => boolean>> = {
  text: isText,
  url: isText,
  path: isText,
  md: isText,
  json: (value) => typeof value === 'object' && value !== null,
  int: Number.isSafeInteger,
  float: isNumber,
  bool: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  timestamp: isNumber,
}

/**
 * Messages of our own errors carry names and codes; those of others may carry values, and stay on the standard error of
 * this process.
 */
function exceptionOf(error: unknown): PipesException {
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : []
  const own = error instanceof DefactoError
  const name = error instanceof Error ? error.name : 'Error'
  return {
    message: own ? `${error.code}: ${error.message}` : `${name}; the message is on the standard error of the process`,
    stack: stack.map((line) => `${line}\n`),
    name,
    cause: own && error.cause !== undefined ? exceptionOf(error.cause) : null,
    context: null,
  }
}
