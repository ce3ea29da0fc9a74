/**
 * Actions of the Delta log and their text. Reading is tolerant, as the protocol asks of readers: unknown actions and
 * fields are passed over, blank lines and CRLF too. Writing is exact.
 */
import { StorageError } from '../../errors.ts'

export interface Add {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string>>
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  /** JSON text. */
  readonly stats?: string | null
  readonly tags?: Readonly<Record<string, string>> | null
}

export interface Remove {
  readonly path: string
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean | null
  readonly partitionValues?: Readonly<Record<string, string>> | null
  readonly size?: number | null
}

export interface Txn {
  readonly appId: string
  readonly version: number
  readonly lastUpdated?: number | null
}

export interface Metadata {
  readonly id: string
  readonly name?: string | null
  readonly description?: string | null
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: number | null
}

export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
}

export interface CommitInfo {
  readonly timestamp: number
  readonly operation: string
  readonly operationParameters: Readonly<Record<string, string>>
  readonly engineInfo: string
  /** Tells our commit from another's when the answer to its writing was lost. */
  readonly txnId: string
  readonly [name: string]: unknown
}

export type Action =
  | { readonly add: Add }
  | { readonly remove: Remove }
  | { readonly txn: Txn }
  | { readonly metaData: Metadata }
  | { readonly protocol: Protocol }

export type CommitAction = Action | { readonly commitInfo: CommitInfo }

const KNOWN = ['add', 'remove', 'txn', 'metaData', 'protocol'] as const

/** The text of a commit: one action a line. */
export function formatCommit(actions: readonly CommitAction[]): Uint8Array {
  return Buffer.from(`${actions.map((action) => JSON.stringify(action)).join('\n')}\n`)
}

/**
 * @param path for the message only
 * @throws StorageError if a line is no JSON object or a known action is not what the protocol says
 */
export function parseCommit(body: Uint8Array, path: string): Action[] {
  const actions: Action[] = []
  const lines = Buffer.from(body).toString('utf8').split('\n')
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    const action = parseAction(parseLine(line, `${path}:${index + 1}`), `${path}:${index + 1}`)
    if (action !== null) actions.push(action)
  }
  return actions
}

/** `txnId` of the commit; null if its writer gave none or it cannot be read. */
export function commitIdOf(body: Uint8Array): string | null {
  const line = Buffer.from(body)
    .toString('utf8')
    .split('\n')
    .find((text) => text.includes('"commitInfo"'))
  try {
    return (JSON.parse(line ?? 'null') as { commitInfo?: CommitInfo } | null)?.commitInfo?.txnId ?? null
  } catch {
    return null
  }
}

/** One action of a parsed object; null if it is of a kind that readers may pass over. */
export function parseAction(value: Readonly<Record<string, unknown>>, place: string): Action | null {
  const kind = KNOWN.find((name) => value[name] !== undefined && value[name] !== null)
  if (kind === undefined) return null
  const body = value[kind] as Record<string, unknown>
  if (typeof body !== 'object' || !REQUIRED[kind].every(([name, type]) => isOf(body[name], type))) {
    throw damaged(place, `the action '${kind}' lacks a field or has one of the wrong type`)
  }
  if (body['deletionVector']) throw damaged(place, 'deletion vectors are not supported; rewrite the table without them')
  return { [kind]: body } as unknown as Action
}

const REQUIRED: Readonly<Record<(typeof KNOWN)[number], readonly (readonly [string, string])[]>> = {
  add: [
    ['path', 'string'],
    ['size', 'number'],
    ['modificationTime', 'number'],
  ],
  remove: [['path', 'string']],
  txn: [
    ['appId', 'string'],
    ['version', 'number'],
  ],
  metaData: [
    ['id', 'string'],
    ['schemaString', 'string'],
  ],
  protocol: [
    ['minReaderVersion', 'number'],
    ['minWriterVersion', 'number'],
  ],
}

const isOf = (value: unknown, type: string): boolean => typeof value === type

function parseLine(line: string, place: string): Record<string, unknown> {
  try {
    const value = JSON.parse(line) as unknown
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below, without the text.
  }
  throw damaged(place, 'the line is no JSON object')
}

function damaged(place: string, problem: string): StorageError {
  return new StorageError(`The archive's log is damaged at ${place}: ${problem}.`, {
    details: { operation: 'read', driver: 'delta', object: place.replace(/:\d+$/, '') },
  })
}
