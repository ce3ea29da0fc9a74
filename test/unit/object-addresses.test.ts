/** Addresses and options of object storage. */
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { openObjects } from '../../src/adapters/objects/open.ts'
import type { S3Options } from '../../src/adapters/objects/s3-client.ts'
import { ConfigError } from '../../src/errors.ts'

async function locationOf(url: string): Promise<string> {
  const store = await openObjects(url)
  await store.close()
  return store.location
}

describe('an address of object storage', () => {
  test.each([
    ['s3://shop-ledger', 's3://shop-ledger'],
    ['s3://shop-ledger/', 's3://shop-ledger'],
    ['s3://shop.ledger/cold/v=1/', 's3://shop.ledger/cold/v=1'],
    ['s3a://shop-ledger/cold', 's3://shop-ledger/cold'],
    [tmpdir(), tmpdir()],
    [`file://${tmpdir()}`, tmpdir()],
    [`${tmpdir()}/a/../b`, `${tmpdir()}/b`],
  ])('%s is %s', async (url, location) => {
    expect(await locationOf(url)).toBe(location)
  })

  test.each([
    ['s3://'],
    ['s3://UPPER/x'],
    ['s3://key:hush@bucket/x'],
    ['s3://bucket/../x'],
    ['s3://bucket/./x'],
    ['s3://bucket/x?secret=hush'],
    ['s3://bucket/x%20y'],
    ['gs://bucket/x'],
    [''],
  ])('%s is none, and is not repeated', async (url) => {
    const error = (await openObjects(url).catch((thrown: unknown) => thrown)) as ConfigError
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).not.toMatch(/hush|UPPER/)
  })

  test.each<[S3Options]>([
    [{ endpoint: 'http://key:hush@host' }],
    [{ endpoint: 'host:9000' }],
    [{ kmsKeyId: 'key' }],
    [{ kmsKeyId: 'key', serverSideEncryption: 'AES256' }],
  ])('the options %j do not fit', async (options) => {
    const error = (await openObjects('s3://bucket/x', options).catch((thrown: unknown) => thrown)) as ConfigError
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).not.toContain('hush')
  })
})
