/** The end of a request (spec 10 §10.2 no. 6): its certificate and the close of its journal, in one transaction. */
import { randomUUIDv7 } from 'node:crypto'
import {
  type CertificateBody,
  type CertificateOutstanding,
  type CertificateStore,
  certificateText,
  signCertificate,
  subjectDigest,
} from '../../core/certificate.ts'
import { addDuration, instantFromText, parseDurationText } from '../../core/instant.ts'
import { ConflictError } from '../../errors.ts'
import type { CertificateRow, Erasure, ErasureRequest, Outstanding, StoreState } from '../../ports/privacy.ts'
import { failpoint } from '../failpoint.ts'
import { assertNotRestored } from './chain.ts'
import type { PrivacyContext } from './context.ts'
import { requestOf } from './requests.ts'

/**
 * Signs what was done and closes the request. Repeating it gives the same certificate. `ConflictError` while a store is not
 * done, or still holds something.
 */
export async function certify(context: PrivacyContext, requestId: string): Promise<CertificateRow> {
  const { engine } = context
  const { privacy } = engine.store
  await assertNotRestored(engine)
  const before = await requestOf(context, requestId)
  const row = before.status === 'closed' ? await closedWith(context, requestId) : await close(context, requestId)
  failpoint('certify.committed')
  await context.certified(row.body, row.certificateId)
  engine.logger
    .child('defacto.lifecycle')
    .info('erasure certified', { request: requestId, certificate: row.certificateId })
  return row

  async function close({ engine: { store } }: PrivacyContext, id: string): Promise<CertificateRow> {
    return engine.unit(context.working().version, async (unit) => {
      // The chain is locked first: whoever waited for it sees what was done meanwhile.
      const previous = await store.privacy.lastHash(unit)
      const request = await privacy.request(id, unit)
      const erasure = await privacy.erasure(id, unit)
      if (request?.status === 'closed') return newest(await privacy.certificates({ requestId: id, unit }), id)
      if (request === undefined || erasure === undefined) throw notDone(id, 'nothing was frozen for it')
      const at = unit.now.toString()
      const certificate = signCertificate(bodyOf(context, request, erasure, at), previous, context.signer)
      const made: CertificateRow = {
        certificateId: certificate.certificate_id,
        requestId: id,
        hash: certificate.hash,
        previous,
        at,
        body: certificateText(certificate),
      }
      await privacy.close(unit, id, made, at)
      failpoint('certify.written')
      return made
    })
  }
}

async function closedWith({ engine }: PrivacyContext, requestId: string): Promise<CertificateRow> {
  return newest(await engine.store.privacy.certificates({ requestId }), requestId)
}

/** Older ones are of a time before the database was restored from a backup. */
function newest(rows: readonly CertificateRow[], requestId: string): CertificateRow {
  const row = rows.at(-1)
  if (row === undefined) throw notDone(requestId, 'it is closed without a certificate')
  return row
}

function bodyOf(context: PrivacyContext, request: ErasureRequest, erasure: Erasure, at: string): CertificateBody {
  const { requestId, receipt } = request
  const { pivotAt, counts } = erasure
  const survivor = erasure.entities[0]?.id
  if (pivotAt === null) throw notDone(requestId, 'nothing was erased yet')
  const digest = request.kind === 'retention' || receipt === null || survivor === undefined
  return {
    v: 1,
    certificate_id: `c_${randomUUIDv7()}`,
    space: context.engine.store.spaceId,
    request_id: requestId,
    kind: request.kind,
    requested_at: request.requestedAt,
    approved_at: request.approvedAt,
    holds_checked_at: request.holdsCheckedAt,
    pivot_at: pivotAt,
    completed_at: at,
    deadline: request.deadline,
    subject: digest
      ? { entities: counts.entities }
      : { digest: subjectDigest(receipt, survivor), entities: counts.entities },
    ledger_head: erasure.ledgerHead,
    versions: erasure.versions,
    package: context.package,
    events_deleted: counts.eventsDeleted,
    events_scrubbed: counts.eventsScrubbed,
    stores: Object.entries(erasure.stores)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([store, state]) => storeOf(requestId, store, state)),
    outstanding: outstandingOf(context, erasure, pivotAt),
  }
}

/** No store is in a certificate that was not looked into, or in which something was found. */
function storeOf(requestId: string, store: string, state: StoreState): CertificateStore {
  const { action, items, verified, at } = state
  if (state.state !== 'done' || at === null || verified === null) throw notDone(requestId, `${store} is not done`)
  if (verified.remaining !== 0) throw notDone(requestId, `${store} still holds ${verified.remaining} items`)
  const isDeclared = verified.method === 'declared'
  return { store, action, items, verified: { method: verified.method, remaining: isDeclared ? null : 0 }, at }
}

/** What may still hold the person: backups first, then what the stores said; each once. */
function outstandingOf(context: PrivacyContext, erasure: Erasure, pivotAt: string): readonly CertificateOutstanding[] {
  const backups = context.policy.backups.map(({ name, expires }): Outstanding => {
    const reason = 'a backup is not changed; what was erased is in it until it expires'
    return { store: `backup:${name}`, reason, until: expires === null ? null : untilOf(expires, pivotAt) }
  })
  const said = Object.values(erasure.stores).flatMap(({ outstanding }) => outstanding)
  const all = [...backups, ...said].map(({ store, reason, until }) => ({ store, reason, until }))
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()]
}

/** A length of time is counted from the pivot: backups made later do not hold the person. */
function untilOf(expires: string, pivotAt: string): string | null {
  const duration = parseDurationText(expires)
  const pivot = instantFromText(pivotAt)
  if (duration === null || pivot === null) return instantFromText(expires)?.toString() ?? null
  return addDuration(pivot, duration)?.toString() ?? null
}

function notDone(requestId: string, what: string): ConflictError {
  return new ConflictError(`request '${requestId}' cannot be closed: ${what}`, { details: { requestId } })
}
