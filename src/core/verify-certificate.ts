/** Whether a certificate is what was signed, and its chain complete (spec 10 §10.3): neither database nor network. Pure. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type Certificate, certificateHash, FIRST_PREVIOUS, signedBytes } from './certificate.ts'
import { rfc8785 } from './rfc8785.ts'

export interface CertificateFinding {
  /**
   * `form`: no certificate, or not in the form in which it was signed; `hash`: changed content; `key`: signed with a key that
   * was not given; `signature`: not signed with that key; `missing`, `fork`, `foreign`: the chain around it.
   */
  readonly code: 'form' | 'hash' | 'key' | 'signature' | 'missing' | 'fork' | 'foreign'
  /** Id of the certificate, or its place in the chain as it was given. */
  readonly at: string
  readonly message: string
}

export interface VerifyCertificateOptions {
  /** PEM; several keys behind each other where a space has changed its key. */
  readonly publicKey: string
  /** All certificates of the space, in any order; those of other spaces are passed over. Left out: not looked at. */
  readonly chain?: readonly string[]
  /** What they are called where they cannot be read, such as names of files. */
  readonly names?: readonly string[]
}

const PEM = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g
const HASH = /^[0-9a-f]{64}$/

/** Empty: everything is as it was signed. Throws where `publicKey` holds no key. */
export function verifyCertificate(text: string, options: VerifyCertificateOptions): readonly CertificateFinding[] {
  const keys = publicKeys(options.publicKey)
  const read = readCertificate(text, 'the certificate')
  if (read.certificate === null) return read.findings
  const findings = [...read.findings, ...sealFindings(read.certificate, read.at, keys)]
  if (options.chain !== undefined) findings.push(...chainFindings(read.certificate, options.chain, options.names, keys))
  return findings
}

/** What a key is called: the first 16 hex digits of the SHA-256 of its DER form. */
export function keyIdOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}

function publicKeys(pem: string): ReadonlyMap<string, KeyObject> {
  const keys = (pem.match(PEM) ?? []).map((block) => createPublicKey(block))
  if (keys.length === 0) throw new TypeError('no public key in PEM form')
  if (keys.some(({ asymmetricKeyType }) => asymmetricKeyType !== 'ed25519')) throw new TypeError('not an Ed25519 key')
  return new Map(keys.map((key) => [keyIdOf(key), key]))
}

interface ReadCertificate {
  readonly certificate: Certificate | null
  readonly at: string
  readonly findings: readonly CertificateFinding[]
}

function readCertificate(text: string, place: string): ReadCertificate {
  const wrong = (message: string, at = place): CertificateFinding => ({ code: 'form', at, message })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { certificate: null, at: place, findings: [wrong(`${place} is not JSON`)] }
  }
  if (!isCertificate(value)) {
    return { certificate: null, at: place, findings: [wrong(`${place} is not a certificate of version 1`)] }
  }
  const at = value.certificate_id
  const isForm = canonical(value) === withoutBlanks(text)
  const findings = isForm ? [] : [wrong(`${at} is not in the form in which it was made (RFC 8785)`, at)]
  return { certificate: value, at, findings }
}

/** Blanks between the parts of JSON are for readers. All else that a parser passes over, such as a name twice, is not. */
function withoutBlanks(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|[ \t\r\n]+/g, (part) => (part.startsWith('"') ? part : ''))
}

function canonical(value: object): string | null {
  try {
    return rfc8785(value)
  } catch {
    return null
  }
}

function isCertificate(value: unknown): value is Certificate {
  if (typeof value !== 'object' || value === null) return false
  const { v, certificate_id: id, space, hash, previous, signature, stores, outstanding } = value as Partial<Certificate>
  const texts = [id, space, hash, previous, signature?.alg, signature?.key_id, signature?.value]
  return v === 1 && texts.every((text) => typeof text === 'string') && [stores, outstanding].every(isListOfObjects)
}

function isListOfObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null)
}

/** Hash and signature of one certificate by itself. */
function sealFindings(
  certificate: Certificate,
  at: string,
  keys: ReadonlyMap<string, KeyObject>,
): readonly CertificateFinding[] {
  const { hash, signature } = certificate
  const findings: CertificateFinding[] = []
  if (canonical(certificate) === null || certificateHash(certificate) !== hash) {
    findings.push({ code: 'hash', at, message: `the content of ${at} was changed: its hash is another one` })
  }
  const key = keys.get(signature.key_id)
  if (key === undefined) {
    const given = [...keys.keys()].join(', ')
    findings.push({
      code: 'key',
      at,
      message: `${at} names key ${signature.key_id} as the one it was signed with; given: ${given}`,
    })
  } else if (signature.alg !== 'ed25519' || !isSigned(hash, signature.value, key)) {
    findings.push({
      code: 'signature',
      at,
      message: `the signature of ${at} was not made with key ${signature.key_id}`,
    })
  }
  return findings
}

function isSigned(hash: string, value: string, key: KeyObject): boolean {
  const bytes = Buffer.from(value, 'base64')
  // Base64 has several texts for the same bytes.
  return HASH.test(hash) && bytes.toString('base64') === value && verify(null, signedBytes(hash), key, bytes)
}

/** The chain of the certificate's space: one beginning, one successor each, nobody missing, nobody strange. */
function chainFindings(
  subject: Certificate,
  texts: readonly string[],
  names: readonly string[] | undefined,
  keys: ReadonlyMap<string, KeyObject>,
): readonly CertificateFinding[] {
  const findings: CertificateFinding[] = []
  const links = new Map<string, Certificate>()
  for (const [index, text] of texts.entries()) {
    const {
      certificate,
      at,
      findings: wrong,
    } = readCertificate(text, names?.[index] ?? `member ${index + 1} of the chain`)
    if (certificate !== null && certificate.space !== subject.space) continue
    findings.push(...wrong)
    if (certificate === null) continue
    const seal = sealFindings(certificate, at, keys)
    findings.push(...seal)
    const known = links.get(certificate.hash)
    if (known !== undefined && canonical(known) !== canonical(certificate)) {
      findings.push({ code: 'foreign', at, message: `${at} has the hash of ${known.certificate_id}` })
    }
    links.set(certificate.hash, certificate)
  }
  const own = links.get(subject.hash)
  if (own === undefined || own.certificate_id !== subject.certificate_id) {
    const at = subject.certificate_id
    findings.push({ code: 'foreign', at, message: `${at} is not a member of the chain` })
  }
  return [...findings, ...linkFindings([...links.values()])]
}

function linkFindings(links: readonly Certificate[]): readonly CertificateFinding[] {
  const findings: CertificateFinding[] = []
  const hashes = new Set(links.map(({ hash }) => hash))
  const followers = new Map<string, string[]>()
  for (const { certificate_id: at, previous } of links) {
    followers.set(previous, [...(followers.get(previous) ?? []), at])
    if (previous !== FIRST_PREVIOUS && !hashes.has(previous)) {
      findings.push({ code: 'missing', at, message: `the certificate before ${at} is missing (hash ${previous})` })
    }
  }
  for (const ids of followers.values()) {
    if (ids.length < 2) continue
    const at = ids.sort().join(', ')
    findings.push({ code: 'fork', at, message: `${at} follow the same certificate: the chain has two ends` })
  }
  const reached = reachedFrom(FIRST_PREVIOUS, links)
  const apart = links.filter(({ hash, previous }) => !reached.has(hash) && hashes.has(previous))
  const isCut = findings.some(({ code }) => code === 'missing')
  if (!isCut && apart.length > 0) {
    const at = apart
      .map(({ certificate_id: id }) => id)
      .sort()
      .join(', ')
    findings.push({ code: 'missing', at, message: `${at} do not lead back to the first certificate` })
  }
  return findings
}

function reachedFrom(start: string, links: readonly Certificate[]): ReadonlySet<string> {
  const next = new Map<string, string[]>()
  for (const { hash, previous } of links) next.set(previous, [...(next.get(previous) ?? []), hash])
  const reached = new Set<string>()
  const waiting = [start]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const hash of next.get(at) ?? []) {
      if (reached.has(hash)) continue
      reached.add(hash)
      waiting.push(hash)
    }
  }
  return reached
}
