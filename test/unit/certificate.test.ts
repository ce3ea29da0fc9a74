/** Certificates: form, hash, signature, chain (spec 10 §10.3). */
import { createHash, createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Certificate,
  certificateHash,
  certificateText,
  FIRST_PREVIOUS,
  signCertificate,
  subjectDigest,
} from '../../src/core/certificate.ts'
import { rfc8785 } from '../../src/core/rfc8785.ts'
import { type CertificateFinding, verifyCertificate } from '../../src/core/verify-certificate.ts'
import { certificateBody, testChain, testKey, textsOf } from '../support/certificates.ts'

const KEY = testKey()
const OTHER = testKey()
const CHAIN = testChain(4, KEY)
const TEXTS = textsOf(CHAIN)
const [FIRST = '', SECOND = '', THIRD = '', FOURTH = ''] = TEXTS

function codes(findings: readonly CertificateFinding[]): string[] {
  return findings.map(({ code }) => code)
}

function check(text: string, chain?: readonly string[], publicKey = KEY.pem): string[] {
  return codes(verifyCertificate(text, { publicKey, ...(chain === undefined ? {} : { chain }) }))
}

describe('RFC 8785', () => {
  test('gives the text of its examples', () => {
    const numbers = JSON.parse('[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]')
    const string = '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/'
    expect(rfc8785({ numbers, string, literals: [null, true, false] })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
    const names = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    expect(
      Object.values(JSON.parse(rfc8785(Object.entries(names).map(([name, value]) => ({ [name]: value }))))).length,
    ).toBe(7)
    expect([...rfc8785(names).matchAll(/:"([^"]+)"/g)].map(([, value]) => value)).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })

  test('writes what JSON can say, and refuses what it cannot', () => {
    expect(rfc8785([-0, 1e21, 5e-324, 0.1, -1.5, ''])).toBe('[0,1e+21,5e-324,0.1,-1.5,""]')
    expect(rfc8785({ b: undefined, a: { z: [], y: {} } })).toBe('{"a":{"y":{},"z":[]}}')
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1n, undefined, '\ud800', { '\udc00': 1 }, () => 1]) {
      expect(() => rfc8785(value)).toThrow(TypeError)
    }
  })

  test('is one text for one value, in whatever order its members come', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        let text: string
        try {
          text = rfc8785(value)
        } catch {
          return
        }
        expect(rfc8785(reversed(JSON.parse(text)))).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  )
}

describe('a certificate', () => {
  const [certificate] = CHAIN as [Certificate]

  test('can be checked with nothing but its text, the public key and SHA-256', () => {
    const { hash, signature, ...rest } = JSON.parse(FIRST)
    expect(createHash('sha256').update(rfc8785(rest)).digest('hex')).toBe(hash)
    const bytes = Buffer.from(signature.value, 'base64')
    expect(verify(null, Buffer.from(hash), createPublicKey(KEY.pem), bytes)).toBe(true)
    expect(signature).toMatchObject({ alg: 'ed25519', key_id: KEY.keyId })
    expect(KEY.keyId).toMatch(/^[0-9a-f]{16}$/)
    expect(rest.previous).toBe('0'.repeat(64))
    expect(check(FIRST)).toEqual([])
  })

  test('is the same whatever stands around its parts', () => {
    expect(check(`${FIRST}\n`)).toEqual([])
    expect(check(JSON.stringify(JSON.parse(FIRST), null, 2))).toEqual([])
  })

  test('shows every changed character', () => {
    for (let place = 0; place < FIRST.length; place++) {
      for (const other of ['0', 'x', '"', '\\u0041']) {
        if (other === FIRST[place]) continue
        const changed = `${FIRST.slice(0, place)}${other}${FIRST.slice(place + 1)}`
        expect(check(changed), `character ${place} as ${other}`).not.toEqual([])
      }
      const shorter = `${FIRST.slice(0, place)}${FIRST.slice(place + 1)}`
      expect(check(shorter), `without character ${place}`).not.toEqual([])
    }
  })

  test('shows changed content whoever has tried to hide it', () => {
    const changed: Certificate = { ...certificate, events_deleted: 4 }
    expect(check(certificateText(changed))).toEqual(['hash'])
    expect(check(certificateText({ ...changed, hash: certificateHash(changed) }))).toEqual(['signature'])
    const { hash: _hash, signature: _signature, previous, ...body } = changed
    expect(check(certificateText(signCertificate(body, previous, OTHER)))).toEqual(['key'])
    const forged = signCertificate(body, previous, { ...OTHER, keyId: KEY.keyId })
    expect(check(certificateText(forged))).toEqual(['signature'])
    expect(check(certificateText({ ...certificate, more: 1 } as Certificate))).toEqual(['hash'])
    const twice = FIRST.replace('{', '{"events_deleted":0,')
    expect(check(twice)).toEqual(['form'])
  })

  test('names the key it needs', () => {
    const findings = verifyCertificate(FIRST, { publicKey: OTHER.pem })
    expect(codes(findings)).toEqual(['key'])
    expect(findings[0]?.message).toContain(KEY.keyId)
    expect(findings[0]?.at).toBe(certificate.certificate_id)
    expect(check(FIRST, undefined, `${OTHER.pem}${KEY.pem}`)).toEqual([])
    expect(() => verifyCertificate(FIRST, { publicKey: 'none' })).toThrow(TypeError)
  })

  test('is told from what is none', () => {
    for (const text of ['', 'null', '[]', '{}', '{"v":1}', '{"v":2,"hash":""}', `${FIRST}${FIRST}`, `\ufeff${FIRST}`]) {
      expect(check(text), text.slice(0, 20)).toEqual(['form'])
    }
  })

  test('is proved to be somebody’s by the receipt alone', () => {
    const receipt = Buffer.alloc(32, 7).toString('base64url')
    const digest = subjectDigest(receipt, 'entity-1')
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect(subjectDigest(receipt, 'entity-1')).toBe(digest)
    expect(subjectDigest(receipt, 'entity-2')).not.toBe(digest)
    expect(subjectDigest(Buffer.alloc(32, 8).toString('base64url'), 'entity-1')).not.toBe(digest)
  })
})

describe('a chain', () => {
  test('is whole in any order, among those of other spaces', () => {
    const strangers = textsOf(testChain(2, OTHER, { space: 'space-2' }))
    for (const text of TEXTS) expect(check(text, [FOURTH, ...strangers, FIRST, THIRD, SECOND])).toEqual([])
    expect(check(FIRST, [FIRST, FIRST])).toEqual([])
  })

  test('misses nobody from its middle or beginning', () => {
    expect(check(FIRST, [FIRST, THIRD, FOURTH])).toEqual(['missing'])
    const [finding] = verifyCertificate(FOURTH, { publicKey: KEY.pem, chain: [SECOND, THIRD, FOURTH] })
    expect(finding).toMatchObject({ code: 'missing', at: CHAIN[1]?.certificate_id })
    expect(check(SECOND, [FIRST, THIRD, FOURTH])).toEqual(['foreign', 'missing'])
    expect(check(FIRST, [])).toEqual(['foreign'])
  })

  test('shows members that were changed, or put in another place', () => {
    expect(check(FIRST, [FIRST, SECOND.replace('"events_deleted":3', '"events_deleted":2')])).toEqual(['hash'])
    expect(check(FIRST, [FIRST, 'x'])).toEqual(['form'])
    const [one, two, three] = CHAIN as [Certificate, Certificate, Certificate]
    const moved = certificateText({ ...three, previous: one.hash })
    expect(check(FIRST, [FIRST, moved])).toEqual(['hash'])
    const { hash: _hash, signature: _signature, previous: _previous, ...body } = three
    const foreign = certificateText(signCertificate({ ...body, events_deleted: 9 }, two.hash, OTHER))
    expect(check(FIRST, [FIRST, SECOND, foreign, FOURTH])).toEqual(['key', 'missing'])
  })

  test('has one beginning and one end', () => {
    const [one] = CHAIN as [Certificate]
    const aside = certificateText(signCertificate(certificateBody(9), one.hash, KEY))
    expect(check(FIRST, [...TEXTS, aside])).toEqual(['fork'])
    const second = certificateText(signCertificate(certificateBody(9), FIRST_PREVIOUS, KEY))
    expect(check(FIRST, [...TEXTS, second])).toEqual(['fork'])
  })

  test('goes on with another key', () => {
    const last = CHAIN.at(-1) as Certificate
    const next = certificateText(signCertificate(certificateBody(5), last.hash, OTHER))
    expect(check(next, [...TEXTS, next], `${KEY.pem}\n${OTHER.pem}`)).toEqual([])
    expect(check(next, [...TEXTS, next], OTHER.pem)).toEqual(['key', 'key', 'key', 'key'])
  })
})
