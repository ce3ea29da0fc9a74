/**
 * Certificates of erasures (spec 10 §10.3): what was erased where, how that was checked, and what is not claimed; hashed,
 * signed and chained. No personal data. Pure.
 */
import { createHash, createHmac } from 'node:crypto'
import { rfc8785 } from './rfc8785.ts'

export const FIRST_PREVIOUS = '0'.repeat(64)

export interface CertificateStore {
  readonly store: string
  readonly action: 'deleted' | 'scrubbed' | 'rewritten' | 'superseded' | 'purged' | 'declared'
  readonly items: number
  /** `remaining` null: nobody looked (`declared`). */
  readonly verified: {
    readonly method: 'scan' | 'index' | 'config' | 'declared'
    readonly remaining: number | null
  }
  readonly at: string
}

/** Never claimed erased: until when it is there, and why. */
export interface CertificateOutstanding {
  readonly store: string
  readonly reason: string
  readonly until: string | null
}

/** Everything but chain, hash and signature. */
export interface CertificateBody {
  readonly v: 1
  readonly certificate_id: string
  readonly space: string
  readonly request_id: string
  readonly kind: 'erase' | 'redact' | 'retention'
  readonly requested_at: string
  readonly approved_at: string | null
  readonly holds_checked_at: string | null
  readonly pivot_at: string
  readonly completed_at: string
  readonly deadline: string
  /** `digest`: `subjectDigest`; left out where nobody asked (retention). */
  readonly subject: { readonly digest?: string; readonly entities: number }
  readonly ledger_head: number
  readonly versions: readonly string[]
  readonly package: string
  readonly events_deleted: number
  readonly events_scrubbed: number
  readonly stores: readonly CertificateStore[]
  readonly outstanding: readonly CertificateOutstanding[]
}

export interface Certificate extends CertificateBody {
  /** Hash of the certificate before it in the space. */
  readonly previous: string
  /** SHA-256 of the certificate without `hash` and `signature`, lower-case hex. */
  readonly hash: string
  /** Over `hash`, as text. */
  readonly signature: { readonly alg: 'ed25519'; readonly key_id: string; readonly value: string }
}

/** Ed25519. */
export interface CertificateSigner {
  readonly keyId: string
  /** Base64 of the signature over these bytes. */
  sign(bytes: Uint8Array): string
}

/** SHA-256 of its RFC 8785 form without `hash` and `signature`. */
export function certificateHash(certificate: object): string {
  const { hash: _hash, signature: _signature, ...hashed } = certificate as Record<string, unknown>
  return createHash('sha256').update(rfc8785(hashed), 'utf8').digest('hex')
}

/** The certificate behind `previous` in the chain, with hash and signature. */
export function signCertificate(body: CertificateBody, previous: string, signer: CertificateSigner): Certificate {
  const chained = { ...body, previous }
  const hash = certificateHash(chained)
  const value = signer.sign(signedBytes(hash))
  return { ...chained, hash, signature: { alg: 'ed25519', key_id: signer.keyId, value } }
}

/** As it is stored and handed out: RFC 8785 form. */
export function certificateText(certificate: Certificate): string {
  return rfc8785(certificate)
}

export function signedBytes(hash: string): Uint8Array {
  return new TextEncoder().encode(hash)
}

/** Whose certificate it is, for those who have the receipt (base64url of random bytes) and nobody else. */
export function subjectDigest(receipt: string, entityId: string): string {
  return createHmac('sha256', Buffer.from(receipt, 'base64url')).update(entityId, 'utf8').digest('hex')
}
