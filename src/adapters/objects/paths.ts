/** Names of objects (spec 07 §5.1): relative, of characters that no URL, shell or file system changes. */
import { ConfigError, StorageError } from '../../errors.ts'

const PATH = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/
const PREFIX = /^([A-Za-z0-9._-]+\/)*[A-Za-z0-9._-]*$/
const DOTS = /(^|\/)\.\.?(\/|$)/

/** What a listing leaves out has a name that nothing here can have given it. */
export function isPath(path: string): boolean {
  return PATH.test(path) && !DOTS.test(path)
}

/** @throws StorageError unless it names an object under the root */
export function checkPath(path: string, operation: string): void {
  if (isPath(path)) return
  throw new StorageError(
    `${JSON.stringify(path)} cannot name an object: use A-Z a-z 0-9 . _ - in parts divided by /, none of them . or ..`,
    { details: { operation, object: path } },
  )
}

/** A prefix may end in the middle of a name, or be empty. */
export function checkPrefix(prefix: string): void {
  if (PREFIX.test(prefix) && !/(^|\/)\.\.?\//.test(prefix)) return
  throw new StorageError(`${JSON.stringify(prefix)} cannot begin the path of an object.`, {
    details: { operation: 'list', object: prefix },
  })
}

/** Part of an object. `end` is the place behind the last byte and needs a `start` from the beginning. */
export interface ByteRange {
  readonly start: number
  readonly end?: number
}

export function checkRange({ start, end }: ByteRange, path: string): void {
  const whole = Number.isSafeInteger(start) && (end === undefined || Number.isSafeInteger(end))
  if (whole && (end === undefined || (start >= 0 && end >= start))) return
  throw new StorageError(`Bytes ${start} to ${end ?? 'the end'} of '${path}' are no range.`, {
    details: { operation: 'get', object: path },
  })
}

export interface Bucket {
  readonly name: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
}

/**
 * Reads `s3://bucket/prefix` (`s3a://` too, as other tools write it).
 * @throws ConfigError that does not repeat the text, which might hold a secret
 */
export function parseBucketUrl(url: string): Bucket {
  const [, name, rest = ''] = /^s3a?:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._=/-]*))?$/.exec(url) ?? []
  const parts = rest.split('/').filter((part) => part !== '')
  if (name === undefined || parts.includes('.') || parts.includes('..')) {
    throw new ConfigError(
      'The address of an object store is s3://bucket/prefix, the prefix of A-Z a-z 0-9 . _ = - and /. ' +
        'Credentials, region and endpoint do not belong there: give them as options or in the AWS environment.',
    )
  }
  return { name, prefix: parts.map((part) => `${part}/`).join('') }
}

/** Why something unfinished stays. */
export const STILL_WRITING = 'a writer may still finish it'
