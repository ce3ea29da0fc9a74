/** Parts that need no server: keys, the allow-list, failures, schedules' texts, and finding a server (spec 10 §4.5–4.7, §5). */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApplicationFailure, type Payload } from '@temporalio/common'
import { describe, expect, test } from 'vitest'
import { toFailure } from '../../activities/failure.ts'
import { ConfigError, LockHeld, StorageError, UnreachableError } from '../../src/errors.ts'
import { converterOf } from '../../src/temporal/connect.ts'
import { EncryptionCodec } from '../../src/temporal/data-converter.ts'
import { findTemporal } from '../../src/temporal/index.ts'
import { cronExpressions } from '../../src/temporal/schedules.ts'
import { forbidden } from '../../workflows/allow-list.ts'
import { folder } from './folder.ts'

const KEY = Buffer.alloc(32, 1).toString('base64')
const OTHER = Buffer.alloc(32, 2).toString('hex')
const payload = (text: string): Payload => ({
  metadata: { encoding: Buffer.from('json/plain') },
  data: Buffer.from(JSON.stringify(text)),
})
const text = ({ data }: Payload): unknown => JSON.parse(Buffer.from(data ?? []).toString())

describe('the codec', () => {
  test('gives back what it was given, and shows only the id of the key', async () => {
    const codec = new EncryptionCodec([{ id: 'k1', key: KEY }])
    const [hidden] = await codec.encode([payload('nobody reads this')])
    expect(Buffer.from(hidden?.data ?? []).includes('nobody')).toBe(false)
    expect(Buffer.from(hidden?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('k1')
    const [shown] = await codec.decode([hidden as Payload])
    expect(text(shown as Payload)).toBe('nobody reads this')
    expect(Buffer.from(shown?.metadata?.['encoding'] ?? []).toString()).toBe('json/plain')
  })

  test('keys are changed by putting a new one first', async () => {
    const old = new EncryptionCodec([{ id: 'old', key: KEY }])
    const both = new EncryptionCodec([
      { id: 'new', key: OTHER },
      { id: 'old', key: KEY },
    ])
    const [hidden] = await old.encode([payload('a')])
    expect(text((await both.decode([hidden as Payload]))[0] as Payload)).toBe('a')
    const [later] = await both.encode([payload('b')])
    await expect(old.decode([later as Payload])).rejects.toThrow(/'new'.*missing/)
    // What was never encrypted is read as it is.
    expect(text((await both.decode([payload('c')]))[0] as Payload)).toBe('c')
  })

  test('what was changed on the way, or encrypted with another key of that name, is refused', async () => {
    const codec = new EncryptionCodec([{ id: 'k', key: KEY }])
    const [hidden] = await codec.encode([payload('a')])
    const bytes = Buffer.from(hidden?.data ?? [])
    bytes[20] = (bytes[20] ?? 0) ^ 1
    await expect(codec.decode([{ ...hidden, data: bytes } as Payload])).rejects.toThrow(ConfigError)
    await expect(new EncryptionCodec([{ id: 'k', key: OTHER }]).decode([hidden as Payload])).rejects.toThrow(
      ConfigError,
    )
  })

  test('keys of another length, without name, or none at all are refused', () => {
    expect(() => new EncryptionCodec([])).toThrow(/no key/)
    expect(() => new EncryptionCodec([{ id: 'k', key: 'c2hvcnQ=' }])).toThrow(/5 bytes of 32/)
    expect(() => new EncryptionCodec([{ id: 'a b', key: KEY }])).toThrow(ConfigError)
    expect(() => converterOf({ strict: true })).toThrow(/compliance.strict/)
    expect(converterOf({})).toBeUndefined()
  })
})

describe('the allow-list', () => {
  test.each([
    null,
    undefined,
    true,
    12.5,
    'r_01a1ff8d-5c02-7010-9674-46a5e7a62918',
    '2024-01-01T02:00:00Z',
    'source/web',
    { v: 1, space: 'shop-12345678', list: ['a', 1, null] },
  ])('lets %j through', (value) => {
    expect(forbidden(value, 'it')).toBeNull()
  })

  test.each<[unknown, RegExp]>([
    ['ada@example.org', /text/],
    ['Ada Lovelace', /text/],
    ['x'.repeat(129), /text/],
    [{ a: { b: ['select *'] } }, /it\/a\/b\/0/],
    [{ 'Ada Lovelace': 1 }, /key/],
    [Number.NaN, /number/],
    [new Date(0), /plain object/],
    [() => 1, /function/],
    [Array.from({ length: 3000 }, () => 100), /bytes/],
  ])('refuses %j, and does not say what it is', (value, where) => {
    const found = forbidden(value, 'it')
    expect(found).toMatch(where)
    expect(found).not.toMatch(/Ada|ada|select/)
  })
})

describe('failures', () => {
  test('carry class and code, whether it is worth another try and when, and nothing else', () => {
    const lock = toFailure(new LockHeld('Ada holds it'))
    expect(lock).toMatchObject({ message: 'E_LOCK_HELD', type: 'LockHeld', nonRetryable: false, nextRetryDelay: 5000 })
    const storage = toFailure(new StorageError('Ada', { recoverable: false }))
    expect(storage).toMatchObject({ message: 'E_STORAGE', type: 'StorageError', nonRetryable: true })
    const unknown = toFailure(new TypeError('cannot read Ada'))
    expect(unknown).toMatchObject({ message: 'E_INTERNAL', type: 'TypeError', nonRetryable: false })
    for (const failure of [lock, storage, unknown]) {
      expect(failure).toBeInstanceOf(ApplicationFailure)
      expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)}`).not.toContain('Ada')
      expect(failure.cause).toBeUndefined()
    }
  })
})

describe('schedules', () => {
  test('days of month and of week both given are either, as cron has it', () => {
    expect(cronExpressions('0 2 1,15 * 1')).toEqual(['0 2 1,15 * *', '0 2 * * 1'])
    for (const cron of ['0 2 * * *', '0 2 1 * *', '0 2 * * 1-5', '@daily'])
      expect(cronExpressions(cron)).toEqual([cron])
  })
})

describe('finding a server', () => {
  const production = { mode: 'production', folder: '/nowhere' } as const

  test('that is named and does not answer, nothing else is tried', async () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' }
    await expect(findTemporal({ ...production, env })).rejects.toThrow(UnreachableError)
    await expect(findTemporal({ ...production, mode: 'development', env })).rejects.toThrow(/127\.0\.0\.1:1/)
  })

  test('in production nothing is looked for', async () => {
    const error = await findTemporal({ ...production, env: {} }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'E_TEMPORAL_NOT_FOUND' })
    expect((error as Error).message).toContain('1. --temporal-address')
  })

  test('a program that is no server is told with the rest of what was tried', async () => {
    const own = folder()
    const program = join(own, 'temporal')
    await mkdir(own, { recursive: true })
    await writeFile(program, '#!/bin/sh\necho this is no server\nexit 3\n')
    await chmod(program, 0o755)
    await writeFile(join(own, 'temporal.json'), '{"address": "127.0.0.1:1", "namespace": "default"}')
    const env = { DEFACTO_TEMPORAL_CLI: program, PATH: '' }
    const found = findTemporal({ mode: 'development', folder: own, env, build: false }).catch(
      (thrown: unknown) => thrown,
    )
    const error = (await found) as Error & { address?: string; close?(): Promise<void> }
    // Whoever has a server at the usual port gets that one.
    if (error.address !== undefined) return void (await error.close?.())
    expect(error.message).toContain('no server answers')
    expect(error.message).toContain('this is no server')
  })
})
