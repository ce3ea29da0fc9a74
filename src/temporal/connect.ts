/** Clients of a server that was found (spec 10 §5): codec, failure converter and allow-list are part of each. */
import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { ConfigError, UnreachableError } from '../errors.ts'
import type { Logger } from '../ports/logger.ts'
import { clientAllowList, scheduleAllowList } from './allow-list.ts'
import { type CodecKey, defactoDataConverter } from './data-converter.ts'
import { SEARCH_ATTRIBUTES } from './names.ts'

/** How to reach a server. */
export interface TemporalAddress {
  readonly address: string
  /** The server's own namespace, not the space's. */
  readonly namespace: string
  /** Certificates, keys and headers, as the SDK's configuration gives them. */
  readonly options?: Pick<ConnectionOptions, 'tls' | 'apiKey' | 'metadata'>
}

export interface CodecOptions {
  /** `temporal.codec`; none: payloads are plain. */
  readonly keys?: readonly CodecKey[]
  /** `compliance.strict`: refuses to go without keys. */
  readonly strict?: boolean
}

export function converterOf({ keys = [], strict = false }: CodecOptions) {
  if (keys.length > 0) return defactoDataConverter(keys)
  if (!strict) return undefined
  throw new ConfigError('compliance.strict wants temporal.codec: at least one {id, key}', {
    code: 'E_CONFIG_CODEC',
  })
}

export interface Connected {
  readonly client: Client
  close(): Promise<void>
}

/** @throws UnreachableError when nothing answers there */
export async function connectClient(
  place: TemporalAddress,
  codec: CodecOptions = {},
  connectTimeoutMs = 5_000,
): Promise<Connected> {
  const dataConverter = converterOf(codec)
  const { address, namespace, options } = place
  const connection = await Connection.connect({ address, ...options, connectTimeout: connectTimeoutMs }).catch(
    (cause: unknown) => {
      throw unreachable(address, cause)
    },
  )
  const interceptors = { workflow: [clientAllowList], schedule: [scheduleAllowList] }
  const client = new Client({ connection, namespace, interceptors, ...(dataConverter ? { dataConverter } : {}) })
  return { client, close: () => connection.close() }
}

export async function connectNative({ address, options }: TemporalAddress): Promise<NativeConnection> {
  const { tls, apiKey, metadata } = options ?? {}
  const given = {
    ...(tls === undefined ? {} : { tls }),
    ...(typeof apiKey === 'string' ? { apiKey } : {}),
    ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
  }
  return NativeConnection.connect({ address, ...given }).catch((cause: unknown) => {
    throw unreachable(address, cause)
  })
}

function unreachable(address: string, cause: unknown): UnreachableError {
  return new UnreachableError(
    `Temporal at ${address} does not answer: start it, or correct --temporal-address, TEMPORAL_ADDRESS or the profile`,
    { code: 'E_TEMPORAL_UNREACHABLE', cause },
  )
}

/** Whether the server knows the search attributes; where it does not, they are left out, with one warning. */
export async function hasSearchAttributes(client: Client, logger?: Logger): Promise<boolean> {
  const missing = await missingSearchAttributes(client)
  if (missing.length === 0) return true
  logger?.warn('search attributes are left out', { missing: missing.join(', '), remedy: 'defacto temporal setup' })
  return false
}

export async function missingSearchAttributes({ connection, options }: Client): Promise<string[]> {
  const { namespace } = options
  // Servers that know nothing of them have none.
  const known = await connection.operatorService.listSearchAttributes({ namespace }).catch(() => null)
  const names = Object.keys(known?.customAttributes ?? {})
  return SEARCH_ATTRIBUTES.filter((name) => !names.includes(name))
}
