/** Messages of the Dagster Pipes protocol, version 0.1 (spec 10 §9): their shape, and what the other side gives us. */
import { readFile } from 'node:fs/promises'
import { inflateSync } from 'node:zlib'
import { ConfigError } from '../errors.ts'
import type { Json } from '../ports/runs.ts'

export const CONTEXT_VARIABLE = 'DAGSTER_PIPES_CONTEXT'
export const MESSAGES_VARIABLE = 'DAGSTER_PIPES_MESSAGES'

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
export type Severity = 'WARN' | 'ERROR'

export interface MetadataValue {
  readonly type: 'text' | 'url' | 'path' | 'json' | 'md' | 'int' | 'float' | 'bool' | 'null' | 'timestamp'
  readonly raw_value: Json
}
export type Metadata = Readonly<Record<string, MetadataValue>>

/** `name` is the error's class; the message of an error that is not ours stays here (spec 10 §4.7). */
export interface PipesException {
  readonly message: string
  readonly stack: readonly string[]
  readonly name: string | null
  readonly cause: PipesException | null
  readonly context: PipesException | null
}

export type Message =
  | { readonly method: 'opened'; readonly params: { readonly extras: Readonly<Record<string, Json>> } }
  | { readonly method: 'log'; readonly params: { readonly message: string; readonly level: LogLevel } }
  | {
      readonly method: 'report_asset_materialization'
      readonly params: {
        readonly asset_key: string
        readonly data_version: string | null
        readonly metadata: Metadata | null
      }
    }
  | {
      readonly method: 'report_asset_check'
      readonly params: {
        readonly asset_key: string
        readonly check_name: string
        readonly passed: boolean
        readonly severity: Severity
        readonly metadata: Metadata | null
      }
    }
  | { readonly method: 'report_custom_message'; readonly params: { readonly payload: Json } }
  | { readonly method: 'closed'; readonly params: { readonly exception?: PipesException } }

/** One line of the channel, without its end. */
export function messageLine({ method, params }: Message): string {
  return JSON.stringify({ __dagster_pipes_version: '0.1', method, params }, floatsAsSuch)
}

/** Text that goes into JSON as it is; our library of types does not know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** The other side reads `2` as an integer, and refuses it, with all that follows, where it was told a float. */
function floatsAsSuch(_key: string, value: unknown): unknown {
  if (!isFields(value) || value['type'] !== 'float' || !Number.isInteger(value['raw_value'])) return value
  return { type: 'float', raw_value: rawJSON((value['raw_value'] as number).toFixed(1)) }
}

/** What the orchestrator says about the step that started this process. Fields we do not use are left out. */
export interface PipesContext {
  /** Keys of the step's assets, `/` between the segments. */
  readonly assetKeys: readonly string[]
  readonly partitionKey: string | null
  /** Half open. */
  readonly window: { readonly from: string; readonly to: string } | null
  readonly runId: string
  readonly jobName: string | null
  readonly retryNumber: number
  /** What the step's author gave along. */
  readonly extras: Readonly<Record<string, Json>>
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Value of a variable: Base64 of zlib-compressed JSON. */
export function decodeVariable(name: string, text: string): Fields {
  try {
    const value: unknown = JSON.parse(inflateSync(Buffer.from(text, 'base64')).toString('utf8'))
    if (isFields(value)) return value
  } catch (cause) {
    throw unreadable(name, 'is not Base64 of zlib-compressed JSON', cause)
  }
  throw unreadable(name, 'is no JSON object')
}

/** The context, given in place (`data`) or in a file (`path`). */
export async function readContext(params: Fields): Promise<PipesContext> {
  if (isFields(params['data'])) return contextOf(params['data'])
  const path = params['path']
  if (typeof path !== 'string') throw unreadable(CONTEXT_VARIABLE, "has neither 'path' nor 'data'")
  let data: unknown
  try {
    data = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw unreadable(CONTEXT_VARIABLE, `names the file ${path}, which cannot be read`, cause)
  }
  if (!isFields(data)) throw unreadable(CONTEXT_VARIABLE, `names the file ${path}, which holds no JSON object`)
  return contextOf(data)
}

function contextOf(data: Fields): PipesContext {
  const keys = data['asset_keys']
  const window = data['partition_time_window']
  return {
    assetKeys: Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : [],
    partitionKey: textOf(data['partition_key']),
    window: isFields(window) ? { from: String(window['start']), to: String(window['end']) } : null,
    runId: textOf(data['run_id']) ?? '',
    jobName: textOf(data['job_name']),
    retryNumber: typeof data['retry_number'] === 'number' ? data['retry_number'] : 0,
    extras: isFields(data['extras']) ? (data['extras'] as Readonly<Record<string, Json>>) : {},
  }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

export function unreadable(name: string, what: string, cause?: unknown): ConfigError {
  return new ConfigError(
    `${name} ${what}; it is set by the orchestrator that starts this process, and by nobody else`,
    {
      code: 'E_CONFIG_PIPES',
      cause,
    },
  )
}
