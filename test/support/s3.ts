/**
 * S3 for tests. Importing this file asks for the server that all test files of a run share. Where none can be had,
 * importing fails under `CI=true`; elsewhere `describeS3` leaves its tests out.
 */
import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { describe, inject } from 'vitest'
import type { S3Options } from '../../src/adapters/objects/s3-client.ts'
import { askDesk } from './desk.ts'

const answer = await askDesk(inject('s3Desk'))

/** A server that was started takes any credentials, and the chain must not ask a machine that is none of AWS's. */
process.env['AWS_ACCESS_KEY_ID'] ??= 'test'
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test'
process.env['AWS_REGION'] ??= 'us-east-1'
process.env['AWS_EC2_METADATA_DISABLED'] ??= 'true'

/** `describe` for what needs S3. */
export const describeS3 = describe.skipIf('missing' in answer)

/** Address of the shared server. */
export function s3Endpoint(): string {
  if ('missing' in answer) throw new Error(answer.missing)
  return answer.url
}

export interface FreshBucket {
  readonly name: string
  /** `s3://bucket`. */
  readonly url: string
  /** What a store needs to reach it. */
  readonly options: S3Options
  /** The SDK's client to the server itself, for what a test does beside the store. */
  readonly client: S3Client
  /** Removes it with all it has. */
  drop(): Promise<void>
}

export interface BucketOptions {
  /** Keeps older versions of its objects. */
  readonly versioned?: boolean
  /** Lets versions be locked; keeps them, then. */
  readonly lockable?: boolean
}

/** A new, empty bucket on the shared server. */
export async function freshBucket(options: BucketOptions = {}): Promise<FreshBucket> {
  const endpoint = s3Endpoint()
  const client = new S3Client({ endpoint, forcePathStyle: true })
  const name = `t-${randomBytes(8).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: options.lockable === true }))
  if (options.versioned) {
    const VersioningConfiguration = { Status: 'Enabled' as const }
    await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }))
  }
  async function drop(): Promise<void> {
    await empty(client, name, options.lockable === true ? { BypassGovernanceRetention: true } : {})
    await client.send(new DeleteBucketCommand({ Bucket: name }))
    client.destroy()
  }
  return { name, url: `s3://${name}`, options: { endpoint, attempts: 4 }, client, drop }
}

async function empty(client: S3Client, Bucket: string, how: { BypassGovernanceRetention?: boolean }): Promise<void> {
  for (;;) {
    const page = await client.send(new ListObjectVersionsCommand({ Bucket }))
    const all = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    if (all.length === 0) return
    for (const { Key, VersionId } of all) {
      await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId, ...how }))
    }
  }
}
