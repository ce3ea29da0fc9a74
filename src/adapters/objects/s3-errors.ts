/** What S3 and the way to it say, in words that tell where and what to do. Nothing of a request is ever repeated. */
import { StorageError } from '../../errors.ts'
import { passes, reasonOf } from './folder-errors.ts'

/** What the SDK throws: an answer of the server has `$metadata` with a status, a broken connection a code of Node. */
interface SdkError extends Error {
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

const asSdk = (error: unknown): SdkError => error as SdkError

export const statusOf = (error: unknown): number | undefined => asSdk(error).$metadata?.httpStatusCode

/** True if an earlier try of the same call got no answer that can be relied on. */
export const wasRepeated = (error: unknown): boolean => (asSdk(error).$metadata?.attempts ?? 1) > 1

export const nameOf = (error: unknown): string => asSdk(error).name

/** No object of this name. That there is no bucket is another matter. */
export const isMissing = (error: unknown): boolean => statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket'

/** The condition of a write did not hold. */
export const isTaken = (error: unknown): boolean => statusOf(error) === 412

/** Two conditional writes met and neither was carried out. */
export const isConflict = (error: unknown): boolean => statusOf(error) === 409

export const isDenied = (error: unknown): boolean => statusOf(error) === 403 && !isExpired(error)

/** The server answered that it did not carry out the request. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error) ?? 0
  return status >= 400 && status < 500
}

/** Credentials of an hour end in the midst of long work; the provider chain may have new ones by then. */
export function isExpired(error: unknown): boolean {
  const { name, message } = asSdk(error)
  if (/^(ExpiredToken|ExpiredTokenException|TokenRefreshRequired|RequestExpired)$/.test(name)) return true
  return /^(CredentialsProviderError|TokenProviderError)$/.test(name) && /expired/i.test(message)
}

const NETWORK =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE)/

function isNetwork(error: SdkError): boolean {
  if (error.$metadata?.httpStatusCode !== undefined && error.$metadata.httpStatusCode >= 300) return false
  return (
    NETWORK.test(error.code ?? '') || /^(TimeoutError|IncompleteBody)$/.test(error.name) || error.message === 'aborted'
  )
}

/** The connection or the bytes on it broke; asked again, the server may do better. */
export const isBroken = (error: unknown): boolean => isNetwork(asSdk(error)) || isDamage(asSdk(error))

const isDamage = ({ name, message }: SdkError): boolean =>
  /^(BadDigest|InvalidDigest|XAmzContentChecksumMismatch)/.test(name) || /^Checksum mismatch/.test(message)

/** A file of this machine failed, not the way to the server. */
function isLocal(error: SdkError): boolean {
  const code = error.code ?? ''
  return error.$metadata === undefined && /^E[A-Z]+$/.test(code) && !NETWORK.test(code)
}

const isUnconfigured = ({ name, message }: SdkError): boolean =>
  /^(CredentialsProviderError|TokenProviderError)$/.test(name) || message === 'Region is missing'

/** Nothing was sent, so nothing can have happened there. */
export const wasNotSent = (error: unknown): boolean => isLocal(asSdk(error)) || isUnconfigured(asSdk(error))

/** Throttling, faults of the server, broken connections, bytes that were damaged before they were stored. */
function isPassing(error: SdkError): boolean {
  const status = error.$metadata?.httpStatusCode ?? 0
  return (
    status >= 500 ||
    status === 429 ||
    status === 408 ||
    status === 409 ||
    isNetwork(error) ||
    (status > 0 && isDamage(error))
  )
}

export interface Place {
  readonly bucket: string
  /** `s3://bucket/prefix`. */
  readonly location: string
  readonly endpoint: string | undefined
}

export function s3Error(
  error: unknown,
  operation: string,
  place: Place,
  object: string,
  details: Readonly<Record<string, unknown>> = {},
): StorageError {
  if (error instanceof StorageError) return error
  const sdk = asSdk(error)
  return new StorageError(`Cannot ${operation} '${object}' in ${place.location}: ${explain(sdk, place)}.`, {
    details: {
      operation,
      object,
      bucket: place.bucket,
      driver: sdk.code ?? sdk.name,
      status: statusOf(sdk) ?? null,
      ...details,
    },
    recoverable: isExpired(sdk) || (isLocal(sdk) && passes(sdk)) || isPassing(sdk) || details['outcome'] === 'unknown',
    cause: withoutSecrets(sdk),
  })
}

/** An answer of the server is an error with the fields of its document, a session token among them. */
function withoutSecrets({ name, stack, message }: SdkError): Error {
  const cause = new Error(message)
  cause.name = name
  if (stack !== undefined) cause.stack = stack
  return cause
}

function explain(error: SdkError, place: Place): string {
  const status = statusOf(error)
  const said = `${error.name}${status === undefined ? '' : `, status ${status}`}`
  if (isExpired(error)) {
    return `the credentials have expired (${error.name}): renew them (aws sso login, or a new session) and try again`
  }
  if (error.name === 'CredentialsProviderError') {
    return 'there are no credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is given'
  }
  if (error.message === 'Region is missing') return 'no region is set: give the option region, or set AWS_REGION'
  if (isLocal(error)) return `${reasonOf(error)} (the local file, ${error.code})`
  const region = error.$response?.headers?.['x-amz-bucket-region']
  if ((status === 301 || status === 400) && region !== undefined)
    return `the bucket is in ${region}: give that as region`
  if (error.name === 'NoSuchBucket') return 'there is no such bucket: correct the address or make the bucket'
  if (error.name === 'InvalidAccessKeyId' || error.name === 'SignatureDoesNotMatch') {
    return `the credentials are not valid there (${said}): check them, and the endpoint they are for`
  }
  if (status === 403) {
    return `access is denied (${said}): the policy must allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket (without the last a missing object looks denied)`
  }
  if (status === 501) return `the server cannot do this (${said}): it needs conditional writes as S3 has them`
  if (isDamage(error)) {
    return `the bytes were damaged on the way or in the store (${said}): the checksum does not fit`
  }
  if (isNetwork(error)) {
    const where = place.endpoint === undefined ? 'S3' : hostOf(place.endpoint)
    return `no answer from ${where} (${error.code ?? error.name}): check the network and the endpoint, and try again`
  }
  if (isPassing(error)) return `the server is overloaded or failing (${said}): try again later`
  return status === undefined && error.code === undefined ? `${said}: ${error.message}` : said
}

/** Without what an address might hold before the host. */
export function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host : 'the endpoint'
}
