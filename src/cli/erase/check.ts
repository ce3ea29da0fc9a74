/** A certificate checked against the key, its chain and a receipt: files alone, neither database nor network. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Certificate, subjectDigest } from '../../core/certificate.ts'
import { verifyCertificate } from '../../core/verify-certificate.ts'
import { ConfigError } from '../../errors.ts'
import { UsageError } from '../errors.ts'
import { countText } from '../summary.ts'

export interface CheckInput {
  readonly cwd: string
  readonly file: string
  /** File with the key it must be signed with, PEM. */
  readonly publicKey: string
  /** Folder with all certificates of the space. */
  readonly chain: string | undefined
  readonly receipt: string | undefined
  readonly entity: string | undefined
}

export interface Checked {
  /** Empty: it is what was signed, and about whom it is said to be. */
  readonly problems: readonly string[]
  /** What it says. */
  readonly claims: Readonly<Record<string, string | number | null>>
}

export async function checkCertificate(input: CheckInput): Promise<Checked> {
  const { cwd, receipt, entity } = input
  if ((receipt === undefined) !== (entity === undefined)) {
    throw new UsageError('--receipt and --entity go together: they say whose certificate it should be')
  }
  const text = await read(cwd, input.file)
  const publicKey = await read(cwd, input.publicKey)
  const chain = input.chain === undefined ? undefined : await certificatesIn(resolve(cwd, input.chain))
  const problems = findings(text, publicKey, chain, input.publicKey)
  const certificate = parsed(text)
  if (certificate === null) return { problems, claims: {} }
  if (receipt !== undefined && entity !== undefined) {
    const isTheirs = certificate.subject?.digest === subjectDigest(receipt, entity)
    if (!isTheirs) problems.push('it is about somebody else: receipt and entity do not give its subject')
  }
  return { problems, claims: claimsOf(certificate, chain?.length) }
}

function findings(text: string, publicKey: string, chain: readonly Member[] | undefined, keyFile: string): string[] {
  const members = chain && { chain: chain.map((one) => one.text), names: chain.map(({ name }) => name) }
  try {
    return verifyCertificate(text, { publicKey, ...members }).map(({ message }) => message)
  } catch (cause) {
    throw new ConfigError(`${keyFile} holds no Ed25519 public key in PEM form`, { cause, details: { path: keyFile } })
  }
}

function claimsOf(certificate: Certificate, chained: number | undefined): Checked['claims'] {
  const { kind, request_id, completed_at, events_deleted, events_scrubbed, stores, outstanding } = certificate
  return {
    kind,
    request: request_id,
    'completed at': completed_at,
    entities: certificate.subject?.entities ?? null,
    'events deleted': events_deleted,
    'events scrubbed': events_scrubbed,
    stores: stores.length,
    outstanding: outstanding.length === 0 ? null : outstanding.map(({ store }) => store).join(', '),
    'signed with': certificate.signature.key_id,
    chain: chained === undefined ? 'not looked at' : countText(chained, 'certificate'),
  }
}

/** Null: nothing that could be told about. */
function parsed(text: string): Certificate | null {
  try {
    const value = JSON.parse(text) as Partial<Certificate> | null
    const { stores, outstanding, signature } = value ?? {}
    const isWhole = Array.isArray(stores) && Array.isArray(outstanding) && typeof signature === 'object'
    return isWhole && signature !== null ? (value as Certificate) : null
  } catch {
    return null
  }
}

/** A file of the chain. */
interface Member {
  readonly name: string
  readonly text: string
}

/** Other files and folders in it are passed over. */
async function certificatesIn(folder: string): Promise<Member[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new ConfigError(`cannot read the folder ${folder}`, { cause, details: { path: folder } })
  })
  const files = entries.filter((entry) => entry.name.endsWith('.json') && !entry.isDirectory())
  const names = files.map(({ name }) => name).sort()
  return Promise.all(names.map(async (name) => ({ name, text: await read(folder, name) })))
}

async function read(cwd: string, path: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, path), 'utf8')
  } catch (cause) {
    throw new ConfigError(`cannot read ${join(path)}`, { cause, details: { path } })
  }
}
