/** Digests are HMAC-SHA-256 as anybody else computes it. */
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Digests } from '../../src/core/privacy/digest.ts'

test('digests are HMAC-SHA-256 under the key, whatever its length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 150 }), fc.string({ unit: 'binary' }), (key, text) => {
      const of = (value: string): string => createHmac('sha256', key).update(value, 'utf8').digest('hex')
      const digests = new Digests(key)
      expect(digests.token(text)).toBe(of(text))
      expect(digests.event(text)).toBe(of(`event\0${text}`))
    }),
    { numRuns: 30 },
  )
})
