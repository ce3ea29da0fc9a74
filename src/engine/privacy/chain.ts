/**
 * A database that was restored from a backup knows nothing of erasures done after it: who was erased is there again. Their
 * certificates, kept outside of it, tell. Until somebody has decided, nothing is built or exported (spec 10 §10.3).
 */
import { type Certificate, certificateHash } from '../../core/certificate.ts'
import { isId } from '../../core/named-id.ts'
import { ConfigError, ConflictError, NotFoundError, StorageError } from '../../errors.ts'
import type { ExportLog } from '../../ports/exports.ts'
import type { CertificateRow, KeptCertificates } from '../../ports/privacy.ts'
import type { Store } from '../../ports/store.ts'
import type { Engine } from '../engine.ts'

/** An erasure that was done, and that the database does not know of. */
export interface LostErasure extends CertificateRow {
  readonly kind: Certificate['kind']
  readonly pivotAt: string
  readonly entities: number
}

const PAGE = 100
/** Named in messages; the rest is counted. */
const SHOWN = 20

/**
 * Certificates of the space that are kept outside and that the database does not have, in the order of the chain. The newest
 * are looked at first, page by page until the database knows all of one: cost follows what is lost.
 */
export async function lostErasures(store: Store, kept: KeptCertificates): Promise<readonly LostErasure[]> {
  const ids = await kept.ids()
  const lost: LostErasure[] = []
  for (let end = ids.length; end > 0; end -= PAGE) {
    const page = ids.slice(Math.max(0, end - PAGE), end)
    const known = await store.privacy.knownCertificates(page)
    for (const id of page) {
      if (known.has(id)) continue
      const found = lostOf(store, await kept.read(id))
      if (found !== null) lost.push(found)
    }
    if (known.size === page.length) break
  }
  return inOrder(lost)
}

/** Certificates of the database that are not kept outside, since the process ended before it could: kept now. */
async function keepMissing(store: Store, kept: KeptCertificates): Promise<number> {
  const [newest] = await store.privacy.certificates({ newest: 1 })
  if (newest === undefined) return 0
  const there = new Set(await kept.ids())
  const last = await store.privacy.certificates({ newest: PAGE })
  const isShort = last.some(({ certificateId }) => there.has(certificateId)) || last.length < PAGE
  const missing = (isShort ? last : await store.privacy.certificates()).filter((row) => !there.has(row.certificateId))
  for (const { certificateId, body } of missing) await kept.keep(certificateId, body)
  return missing.length
}

/**
 * Looks at the opening of a space whether its database is older than what was done in it: from then on builds and exports
 * of this process refuse, until somebody has decided.
 */
export async function checkRestored(engine: Engine, kept: KeptCertificates): Promise<readonly LostErasure[]> {
  const lost = await lostErasures(engine.store, kept)
  engine.standing.lost = lost
  const logger = engine.logger.child('defacto.lifecycle')
  if (lost.length > 0) logger.error('erasures are lost', { certificates: lost.length })
  try {
    await keepMissing(engine.store, kept)
  } catch (error) {
    // They are in the database, and the next opening tries again.
    if (!(error instanceof StorageError)) throw error
    logger.warn('certificates could not be kept outside the database', { reason: error.message })
  }
  return lost
}

/** `E_ERASURES_LOST` while the space misses erasures that nobody has decided about. */
export async function assertNotRestored(engine: Engine): Promise<void> {
  const { standing } = engine
  if (standing.lost.length === 0) return
  // Another process may have been told meanwhile.
  const known = await engine.store.privacy.knownCertificates(standing.lost.map(({ certificateId }) => certificateId))
  standing.lost = standing.lost.filter(({ certificateId }) => !known.has(certificateId))
  if (standing.lost.length > 0) throw lostError(standing.lost)
}

export function lostError(lost: readonly LostErasure[]): ConflictError {
  const named = lost.slice(0, SHOWN).map(({ certificateId, requestId, kind, pivotAt, entities }) => {
    return `${certificateId} (${kind} of ${entities}, request ${requestId}, at ${pivotAt})`
  })
  const more = lost.length > SHOWN ? `, and ${lost.length - SHOWN} more` : ''
  return new ConflictError(
    `this database was restored from a backup older than ${lost.length} ${lost.length === 1 ? 'erasure' : 'erasures'}, so who was erased is in it again: ${named.join(', ')}${more}. Restore a newer backup; or request them again and say so with \`defacto erase accept\`. Nothing is built or exported meanwhile.`,
    {
      code: 'E_ERASURES_LOST',
      details: {
        lost: lost.map(({ certificateId, requestId, kind, pivotAt, entities }) => {
          return { certificateId, requestId, kind, pivotAt, entities }
        }),
      },
    },
  )
}

/**
 * Somebody answers for what is missing: the certificates join the chain, which goes on behind them, and a note says who
 * decided. All of them at once, so that the chain has one end.
 */
export async function acceptLoss(
  engine: Engine,
  kept: KeptCertificates,
  decision: { readonly certificateIds: readonly string[]; readonly by: string; readonly reason: string },
): Promise<readonly LostErasure[]> {
  const { certificateIds, by, reason } = decision
  if (by.trim() === '' || reason.trim() === '') throw new ConfigError('say who accepts the loss, and why')
  const { store } = engine
  const lost = await lostErasures(store, kept)
  const ids = new Set(lost.map(({ certificateId }) => certificateId))
  const strange = certificateIds.filter((id) => !ids.has(id))
  if (strange.length > 0) {
    const known = strange.filter(isId)
    const named = known.length < strange.length ? [...known, 'what has not the form of an id'] : known
    throw new NotFoundError(`no certificate that is missing here: ${named.join(', ')}; see \`defacto doctor\``, {
      details: { certificateIds: known },
    })
  }
  const unnamed = [...ids].filter((id) => !certificateIds.includes(id))
  if (unnamed.length > 0) {
    throw new ConflictError(`all that is missing is decided about at once; not named: ${unnamed.join(', ')}`, {
      details: { certificateIds: unnamed },
    })
  }
  await engine.unit('', async (unit) => {
    const at = unit.now.toString()
    await store.privacy.adopt(unit, lost.map(rowOf))
    const value = JSON.stringify({ v: 1, at, by, reason, certificates: lost.map(({ certificateId }) => certificateId) })
    await store.privacy.putNote(`accepted/${at}`, value, unit)
  })
  engine.standing.lost = []
  engine.logger.child('defacto.lifecycle').warn('loss of erasures accepted', { certificates: lost.length })
  return lost
}

/** The list of exports, which nothing is written to while erasures are missing. */
export function guardedExports(engine: Engine): ExportLog {
  const log = engine.store.exports
  return {
    async begin(row) {
      await assertNotRestored(engine)
      await log.begin(row)
    },
    finish: (exportId, counts) => log.finish(exportId, counts),
    drop: (exportId) => log.drop(exportId),
    list: () => log.list(),
  }
}

/** Null: of another space, or nothing that was ever signed. */
function lostOf(store: Store, body: string | null): LostErasure | null {
  const certificate = body === null ? null : parsed(body)
  if (body === null || certificate === null || certificate.space !== store.spaceId) return null
  if (certificateHash(certificate) !== certificate.hash) return null
  return {
    certificateId: certificate.certificate_id,
    requestId: certificate.request_id,
    hash: certificate.hash,
    previous: certificate.previous,
    at: certificate.completed_at,
    body,
    kind: certificate.kind,
    pivotAt: certificate.pivot_at,
    entities: certificate.subject.entities,
  }
}

function parsed(body: string): Certificate | null {
  try {
    const value = JSON.parse(body) as Partial<Certificate> | null
    return value?.v === 1 && typeof value.hash === 'string' && value.subject !== undefined
      ? (value as Certificate)
      : null
  } catch {
    return null
  }
}

function rowOf({ certificateId, requestId, hash, previous, at, body }: LostErasure): CertificateRow {
  return { certificateId, requestId, hash, previous, at, body }
}

/** Each behind the one it follows; by time where they do not say. */
function inOrder(lost: readonly LostErasure[]): readonly LostErasure[] {
  const byTime = [...lost].sort((a, b) => (a.certificateId < b.certificateId ? -1 : 1))
  const hashes = new Set(byTime.map(({ hash }) => hash))
  const followers = new Map<string, LostErasure[]>()
  for (const one of byTime) {
    const key = hashes.has(one.previous) ? one.previous : ''
    followers.set(key, [...(followers.get(key) ?? []), one])
  }
  const ordered: LostErasure[] = []
  const waiting = [...(followers.get('') ?? [])]
  for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
    ordered.push(one)
    waiting.unshift(...(followers.get(one.hash) ?? []))
  }
  return ordered
}
