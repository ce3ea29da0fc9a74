/** The way to one bucket: the SDK's client, made when it is needed and made anew when its credentials have expired. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { ConfigError, type StorageError } from '../../errors.ts'
import { type Bucket, parseBucketUrl } from './paths.ts'
import { isExpired, type Place, s3Error } from './s3-errors.ts'

export interface S3Options {
  /** Default: that of the AWS environment; with an `endpoint` `us-east-1` where there is none. */
  readonly region?: string
  /** Address of a server other than AWS: `http://127.0.0.1:9000`. */
  readonly endpoint?: string
  /** The bucket in the path instead of the host name. Default: with an `endpoint`. */
  readonly pathStyle?: boolean
  /** How the server encrypts what is written. Default: as the bucket says. */
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  readonly kmsKeyId?: string
  /** Tries of a request that failed in passing, with growing pauses between. Default 5. */
  readonly attempts?: number
  /** A connection on which nothing moves for so long is given up. Default 30 000. */
  readonly silenceMs?: number
}

const ATTEMPTS = 5
const SILENCE_MS = 30_000
const CONNECT_MS = 10_000

export class S3Way {
  readonly place: Place
  readonly bucket: Bucket
  readonly options: S3Options
  readonly attempts: number
  #current: S3Client | null = null
  readonly #before: S3Client[] = []

  constructor(url: string, options: S3Options) {
    this.bucket = parseBucketUrl(url)
    this.options = options
    this.attempts = options.attempts ?? ATTEMPTS
    if (options.endpoint !== undefined) checkEndpoint(options.endpoint)
    if (options.kmsKeyId !== undefined && !options.serverSideEncryption?.startsWith('aws:kms')) {
      throw new ConfigError("A key id of KMS needs serverSideEncryption 'aws:kms' or 'aws:kms:dsse'.")
    }
    const { name, prefix } = this.bucket
    this.place = { bucket: name, location: `s3://${name}/${prefix}`.replace(/\/$/, ''), endpoint: options.endpoint }
  }

  get client(): S3Client {
    this.#current ??= new S3Client(this.#config())
    return this.#current
  }

  /** Names an object in a request. */
  at(path: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket.name, Key: this.bucket.prefix + path }
  }

  /** How new objects are encrypted. */
  get encryption(): { ServerSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse'; SSEKMSKeyId?: string } {
    const { serverSideEncryption, kmsKeyId } = this.options
    return {
      ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
    }
  }

  error(error: unknown, operation: string, path: string, details: Record<string, unknown> = {}): StorageError {
    if (isExpired(error)) this.#renew()
    return s3Error(error, operation, this.place, path, details)
  }

  close(): void {
    for (const client of [...this.#before.splice(0), this.#current]) client?.destroy()
    this.#current = null
  }

  /** The next request asks the provider chain again. Requests under way on the old client go on. */
  #renew(): void {
    if (this.#current !== null) this.#before.push(this.#current)
    this.#current = null
  }

  #config(): S3ClientConfig & { ignoreCache: boolean } {
    const { region, endpoint, pathStyle, silenceMs } = this.options
    return {
      ...(region === undefined ? regionBeside(endpoint) : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      forcePathStyle: pathStyle ?? endpoint !== undefined,
      maxAttempts: this.attempts,
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: silenceMs ?? SILENCE_MS },
      // Goes to the provider chain: credentials of a file are read again by a new client.
      ignoreCache: true,
    }
  }
}

/** Servers other than AWS take any region; AWS's own environment still has precedence. */
function regionBeside(endpoint: string | undefined): { region?: string } {
  const known = process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION']
  return endpoint === undefined ? {} : { region: known ?? 'us-east-1' }
}

function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ConfigError('The endpoint of an object store is http://host:port or https://host, without credentials.')
  }
}
