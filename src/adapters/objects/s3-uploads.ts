/** Multipart uploads that nobody finished: their parts lie in the bucket, in no listing of objects, until they are aborted. */
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
} from '@aws-sdk/client-s3'
import type { Abandoned } from '../../ports/objects.ts'
import { STILL_WRITING } from './paths.ts'
import type { S3Way } from './s3-client.ts'
import { isDenied, isMissing, statusOf } from './s3-errors.ts'

const UNLISTED = 'whether parts of interrupted uploads remain cannot be told: allow s3:ListBucketMultipartUploads'
const KEPT = 'access is denied: allow s3:AbortMultipartUpload'

export async function abandonUploads(way: S3Way, ageMs: number): Promise<Abandoned> {
  // Clocks differ: without an age everything is old enough.
  const before = ageMs === 0 ? Number.POSITIVE_INFINITY : Date.now() - ageMs
  const { name: Bucket, prefix } = way.bucket
  const pending: { path: string; reason: string }[] = []
  let removed = 0
  try {
    for (let from: { KeyMarker?: string; UploadIdMarker?: string } | null = {}; from !== null; ) {
      const command = new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...from })
      const page: ListMultipartUploadsCommandOutput = await way.client.send(command)
      for (const { Key = '', UploadId, Initiated } of page.Uploads ?? []) {
        const path = Key.slice(prefix.length)
        if ((Initiated?.getTime() ?? 0) > before) pending.push({ path, reason: STILL_WRITING })
        else if (await abort(way, Key, UploadId)) removed += 1
        else pending.push({ path, reason: KEPT })
      }
      from = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : null
    }
  } catch (error) {
    // Servers without multipart uploads may not know the question.
    if (statusOf(error) === 501) return { removed, pending }
    if (!isDenied(error)) throw way.error(error, 'abandon', '')
    pending.push({ path: '', reason: UNLISTED })
  }
  return { removed, pending }
}

/** False if that is not allowed. One that is finished or gone counts as aborted. */
async function abort(way: S3Way, Key: string, UploadId: string | undefined): Promise<boolean> {
  try {
    await way.client.send(new AbortMultipartUploadCommand({ Bucket: way.bucket.name, Key, UploadId }))
    return true
  } catch (error) {
    if (isDenied(error)) return false
    if (isMissing(error)) return true
    throw error
  }
}
