/** Chains of signed certificates. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  type Certificate,
  type CertificateBody,
  type CertificateSigner,
  certificateText,
  FIRST_PREVIOUS,
  signCertificate,
} from '../../src/core/certificate.ts'
import { keyIdOf } from '../../src/core/verify-certificate.ts'

export interface TestKey extends CertificateSigner {
  readonly pem: string
  readonly privatePem: string
}

export function testKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    keyId: keyIdOf(createPublicKey(privateKey as KeyObject)),
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    sign: (bytes) => sign(null, bytes, privateKey).toString('base64'),
  }
}

export function certificateBody(n: number, options: Partial<CertificateBody> = {}): CertificateBody {
  const at = (minute: number): string => `2024-06-01T12:${String(minute).padStart(2, '0')}:00+00:00`
  return {
    v: 1,
    certificate_id: `c_0190c000-0000-7000-8000-${String(n).padStart(12, '0')}`,
    space: 'space-1',
    request_id: `q_0190c000-0000-7000-8000-${String(n).padStart(12, '0')}`,
    kind: 'erase',
    requested_at: at(0),
    approved_at: at(1),
    holds_checked_at: at(2),
    pivot_at: at(3),
    completed_at: at(n % 60),
    deadline: '2024-07-01T12:00:00+00:00',
    subject: { digest: 'ab'.repeat(32), entities: 2 },
    ledger_head: 10 + n,
    versions: ['v1'],
    package: '1.0.0',
    events_deleted: 3,
    events_scrubbed: 1,
    stores: [
      { store: 'cold', action: 'rewritten', items: 1, verified: { method: 'scan', remaining: 0 }, at: at(4) },
      { store: 'ledger', action: 'deleted', items: 3, verified: { method: 'index', remaining: 0 }, at: at(3) },
    ],
    outstanding: [{ store: 'backup:nightly', reason: 'a backup is not changed', until: '2024-07-06T12:03:00+00:00' }],
    ...options,
  }
}

/** So many certificates behind each other. */
export function testChain(
  length: number,
  key: CertificateSigner,
  options: Partial<CertificateBody> = {},
): Certificate[] {
  const chain: Certificate[] = []
  for (let n = 1; n <= length; n++) {
    chain.push(signCertificate(certificateBody(n, options), chain.at(-1)?.hash ?? FIRST_PREVIOUS, key))
  }
  return chain
}

export function textsOf(chain: readonly Certificate[]): string[] {
  return chain.map(certificateText)
}
