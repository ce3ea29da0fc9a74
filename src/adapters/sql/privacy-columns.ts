/** Columns of the tables of erasures, holds and certificates (spec 05 §4.3, 10 §10). */
import type { CertificateRow, Erasure, ErasureRequest, Hold, StoreState } from '../../ports/privacy.ts'
import { Columns } from './run-log-columns.ts'

export const REQUEST = new Columns<ErasureRequest>({
  requestId: 'key',
  kind: 'key',
  entityId: 'text',
  status: 'key',
  reason: 'text',
  requestedBy: 'text',
  requestedAt: 'plain',
  deadline: 'plain',
  approvedBy: 'text',
  approvedAt: 'plain',
  closedAt: 'plain',
  options: 'json',
  waitingFor: 'json',
  retryAt: 'plain',
  warnedMs: 'plain',
  holdsCheckedAt: 'plain',
  receipt: 'key',
  runId: 'key',
})

export const HOLD = new Columns<Hold>({
  holdId: 'key',
  entityId: 'text',
  entityType: 'text',
  filter: 'json',
  reason: 'text',
  placedBy: 'text',
  placedAt: 'plain',
  until: 'plain',
  releasedAt: 'plain',
})

export const ERASURE = new Columns<Omit<Erasure, 'stores'>>({
  requestId: 'key',
  erasureId: 'key',
  kind: 'key',
  entities: 'json',
  digests: 'json',
  eventDigests: 'json',
  emptied: 'json',
  treated: 'json',
  exports: 'json',
  counts: 'json',
  ledgerHead: 'plain',
  versions: 'json',
  startedAt: 'plain',
  pivotAt: 'plain',
  closedAt: 'plain',
})

export const STORE = new Columns<StoreState & { readonly requestId: string; readonly store: string }>({
  requestId: 'key',
  store: 'key',
  state: 'key',
  action: 'key',
  items: 'plain',
  error: 'key',
  attempts: 'plain',
  verified: 'json',
  outstanding: 'json',
  at: 'plain',
})

export const CERTIFICATE = new Columns<CertificateRow>({
  certificateId: 'key',
  requestId: 'key',
  hash: 'key',
  previous: 'key',
  at: 'plain',
  body: 'key',
})
