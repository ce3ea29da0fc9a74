/** The bucket settings that we offer: a server takes them, and the archive does nothing that they forbid. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  DeleteBucketPolicyCommand,
  GetBucketLifecycleConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  type PutBucketLifecycleConfigurationCommandInput,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import { archiveRows, FLUSH, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'
import { describeS3, freshBucket } from '../support/s3.ts'
import { type S3Request, s3Proxy } from '../support/s3-proxy.ts'

const SETTINGS = join(import.meta.dirname, '..', '..', 'infra', 's3')
const PREFIX = 'defacto/shop'

async function setting(name: string, bucket: string): Promise<string> {
  const text = await readFile(join(SETTINGS, name), 'utf8')
  return text.replaceAll('BUCKET', bucket).replaceAll('PREFIX', PREFIX)
}

/** Operations that make an object appear, which is what the policy wants a condition for. */
const CREATES = new Set(['PutObject', 'CompleteMultipartUpload'])

describeS3('the settings of infra/s3', () => {
  test('are taken by a server, and no write of an archive is one that the policy denies', async () => {
    const folder = await mkdtemp(join(room(), 'defacto-archive-bucket-'))
    const bucket = await freshBucket()
    const Bucket = bucket.name
    const Policy = await setting('bucket-policy.json', Bucket)
    await bucket.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    type Rules = PutBucketLifecycleConfigurationCommandInput['LifecycleConfiguration']
    const LifecycleConfiguration = JSON.parse(await setting('lifecycle.json', Bucket)) as Rules
    await bucket.client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }))
    const { Rules } = await bucket.client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
    expect(Rules?.[0]?.AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 2 })

    const proxy = await s3Proxy(bucket.options.endpoint ?? '')
    const created: Pick<S3Request, 'operation' | 'object' | 'headers'>[] = []
    proxy.decide = ({ operation, object, headers }) => {
      if (CREATES.has(operation)) created.push({ operation, object, headers })
      return null
    }
    const objects = openS3(`${bucket.url}/${PREFIX}`, { ...bucket.options, endpoint: proxy.endpoint })
    const archive = await openDeltaArchive({ objects, temporary: folder })
    // Texts that do not compress: the file goes up in several parts.
    const noise = (sequence: number) => Array.from({ length: 500 }, (_, at) => Math.sin(sequence * 500 + at)).join()
    const rows = archiveRows(1, 1_500).map((row) => ({ ...row, data: noise(row.sequence) }))
    await archive.append({
      appId: FLUSH,
      async *rows(after) {
        yield rows.slice(after)
      },
    })
    await archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 1 }, sequences: [7], change: tombstones })
    await archive.purge({ orphanAgeMs: 0 })
    expect((await scanned(archive)).length).toBe(1_500)

    const { Statement } = JSON.parse(Policy) as { Statement: [{ Resource: string[] }] }
    const patterns = Statement[0].Resource.map((arn) => {
      const key = arn.replace(`arn:aws:s3:::${Bucket}/`, '').replaceAll('.', '\\.')
      return new RegExp(`^${key.replaceAll('*', '.*')}$`)
    })
    const guarded = created.filter(({ object }) => patterns.some((pattern) => pattern.test(object)))
    expect(guarded.filter(({ headers }) => headers['if-none-match'] !== '*')).toEqual([])
    const kinds = new Set(guarded.map(({ operation, object }) => `${operation} ${object.replace(/.*[./]/, '')}`))
    expect([...kinds].sort()).toEqual(['CompleteMultipartUpload parquet', 'PutObject json', 'PutObject parquet'])
    const others = created.filter((one) => !guarded.includes(one)).map(({ object }) => object)
    expect(new Set(others)).toEqual(new Set([`${PREFIX}/_delta_log/_last_checkpoint`]))

    await archive.close()
    await objects.close()
    await proxy[Symbol.asyncDispose]()
    await bucket.client.send(new DeleteBucketPolicyCommand({ Bucket }))
    await bucket.drop()
    await rm(folder, { recursive: true })
  })
})
