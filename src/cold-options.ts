/** The option `coldLedger` (spec 09 §2): where the archive is, and what moves there by itself. Checked, nothing opened. */
import { closest } from './core/spelling.ts'
import { ConfigError } from './errors.ts'

export interface ColdLedgerOptions {
  /** `s3://bucket/prefix`, `file:///folder` or the path of a folder. */
  url: string
  /** Archive new events, and with `retention` remove old ones from the database, every so many milliseconds. */
  flushEveryMs?: number
  /** What stays in the database: events of the last days and the last rows, whichever reaches further back. */
  retention?: { hotDays?: number; hotRows?: number }
  /** Settings of an S3 client: see `ObjectStorage`. Unused where the archive is a folder. */
  storage?: Readonly<Record<string, string | number | boolean>>
}

/** Settings of an S3 client; credentials come from the environment of AWS (variables, profiles, roles), never from here. */
export interface ObjectStorage {
  readonly region?: string
  /** Address of a server other than AWS. */
  readonly endpoint?: string
  /** The bucket in the path instead of the host name. */
  readonly pathStyle?: boolean
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  readonly kmsKeyId?: string
  /** Tries of a request that failed in passing. */
  readonly attempts?: number
  /** A connection on which nothing moves for so many milliseconds is given up. */
  readonly silenceMs?: number
}

/** The checked option. */
export interface ColdLedger {
  readonly url: string
  /** Undefined: only when somebody says so. */
  readonly flushEveryMs?: number
  readonly retention?: { readonly hotDays?: number; readonly hotRows?: number }
  readonly storage: ObjectStorage
}

const KEYS = ['url', 'flushEveryMs', 'retention', 'storage'] as const
const RETENTION = ['hotDays', 'hotRows'] as const
const STORAGE = [
  'region',
  'endpoint',
  'pathStyle',
  'forcePathStyle',
  'serverSideEncryption',
  'kmsKeyId',
  'attempts',
  'silenceMs',
] as const
const ENCRYPTION = ['AES256', 'aws:kms', 'aws:kms:dsse']
/** Timers take no more. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * The option under its documented names. `spelled` turns a spelling into a name.
 * @throws ConfigError `E_CONFIG_COLD_LEDGER`; values of `url` and `storage` are not repeated
 */
export function checkColdLedger(given: unknown, spelled: (key: string) => string): ColdLedger {
  const read = (value: unknown, at: string, known: readonly string[]): Record<string, unknown> =>
    named(value, at, known, spelled)
  const options = typeof given === 'string' ? { url: given } : read(given, 'coldLedger', KEYS)
  const { url, flushEveryMs, retention, storage } = options as Record<string, unknown>
  checkUrl(url)
  if (flushEveryMs !== undefined) whole('coldLedger.flushEveryMs', flushEveryMs, 1, LONGEST_MS)
  return {
    url: url as string,
    flushEveryMs: flushEveryMs as number | undefined,
    retention: retention === undefined ? undefined : checkRetention(read(retention, 'coldLedger.retention', RETENTION)),
    storage: storage === undefined ? {} : checkStorage(read(storage, 'coldLedger.storage', STORAGE)),
  }
}

function checkUrl(url: unknown): void {
  const place = 's3://bucket/prefix, file:///folder or the path of a folder'
  if (typeof url !== 'string' || url.trim() === '')
    throw wrong(`option 'coldLedger' must be the place of the archive: ${place}`)
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  const known = scheme === undefined || /^s3a?:\/\/[^/]/i.test(url) || /^file:\/\/\//i.test(url)
  if (!known) throw wrong(`option 'coldLedger' cannot use '${scheme}:'; an archive lies in ${place}`)
}

function checkRetention(retention: Record<string, unknown>): { hotDays?: number; hotRows?: number } {
  const { hotDays, hotRows } = retention
  if (hotDays === undefined && hotRows === undefined) {
    throw wrong("option 'coldLedger.retention' needs hotDays, hotRows or both")
  }
  if (hotDays !== undefined) whole('coldLedger.retention.hotDays', hotDays, 0, 1e6)
  if (hotRows !== undefined) whole('coldLedger.retention.hotRows', hotRows, 0, Number.MAX_SAFE_INTEGER)
  return retention
}

/** Variables and files carry text where code has numbers and flags: both are taken. */
function checkStorage(storage: Record<string, unknown>): ObjectStorage {
  const checked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(storage)) {
    const at = `coldLedger.storage.${name}`
    if (name === 'pathStyle' || name === 'forcePathStyle') checked['pathStyle'] = truth(at, value)
    else if (name === 'attempts') checked[name] = whole(at, numberOf(value), 1, 100)
    else if (name === 'silenceMs') checked[name] = whole(at, numberOf(value), 1, LONGEST_MS)
    else if (typeof value !== 'string' || value === '') throw wrong(`option '${at}' must be a non-empty text`)
    else if (name === 'serverSideEncryption' && !ENCRYPTION.includes(value)) {
      throw wrong(`option '${at}' must be one of ${ENCRYPTION.join(', ')}`)
    } else checked[name] = value
  }
  return checked
}

/** Properties of an object under their documented names. */
function named(
  given: unknown,
  at: string,
  known: readonly string[],
  spelled: (key: string) => string,
): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrong(at === 'coldLedger' ? `option '${at}' must be a URL or an object` : `option '${at}' must be an object`)
  }
  const found: Record<string, unknown> = {}
  for (const [spelling, value] of Object.entries(given)) {
    if (value === undefined) continue
    const name = spelled(spelling)
    if (!known.includes(name)) {
      const guess = closest(name, known)
      const secret = at === 'coldLedger.storage' && /key|secret|token|credential|profile/i.test(name)
      const way = guess
        ? `did you mean '${guess}'?`
        : secret
          ? 'credentials come from the environment of AWS: variables, profiles or roles'
          : `known: ${known.join(', ')}`
      throw wrong(`unknown option '${at}.${spelling}'; ${way}`)
    }
    if (Object.hasOwn(found, name)) throw wrong(`option '${at}.${name}' is given twice, once as '${spelling}'`)
    found[name] = value
  }
  return found
}

function whole(at: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most) return Number(value)
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  throw wrong(`option '${at}' must be a whole number ${range}`)
}

function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
}

function truth(at: string, value: unknown): boolean {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw wrong(`option '${at}' must be true or false`)
}

function wrong(message: string): ConfigError {
  return new ConfigError(message, { code: 'E_CONFIG_COLD_LEDGER' })
}
