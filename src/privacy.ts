/**
 * Merging by hand, erasure, redaction, holds and certificates of an open space (spec 05, 10 §10): what the public engine
 * offers of them, and what runs work with.
 */
import type { Certificate } from './core/certificate.ts'
import { acceptLoss, assertNotRestored, checkRestored } from './engine/privacy/chain.ts'
import type { PrivacyCall, PrivacyContext } from './engine/privacy/context.ts'
import { type EraseCall, eraseEntity } from './engine/privacy/erase.ts'
import { addHold, type HoldInput, listHolds, releaseHold } from './engine/privacy/holds.ts'
import { type ErasurePlan, planErasure } from './engine/privacy/plan.ts'
import { type RedactCall, redactEntity } from './engine/privacy/redact.ts'
import {
  approveRequest,
  type CreatedRequest,
  createRequest,
  type RequestInput,
  refuseRequest,
  type SubjectInput,
  subjectOf,
} from './engine/privacy/requests.ts'
import { scrubDatabase } from './engine/privacy/scrub.ts'
import { type Advanced, advance, resumeOpen } from './engine/privacy/stages.ts'
import { unknownRequest } from './engine/privacy/unknown.ts'
import { NotFoundError } from './errors.ts'
import type { ErasureRequest, Hold, RequestFilter, StoreState } from './ports/privacy.ts'
import type { Scrubbed } from './ports/store.ts'
import { type ContextParts, certificatesOf, privacyContext } from './privacy-context.ts'
import type { EraseResult, RedactResult } from './results.ts'

export type { Advanced, ErasurePlan, HoldInput, RequestInput, SubjectInput }
export type EraseOptions = EraseCall
export type RedactOptions = RedactCall

/** What is known of a request: the row, and where its stores are while it is open. */
export interface RequestView extends ErasureRequest {
  readonly stores: Readonly<Record<string, StoreState>>
  readonly certificateId: string | null
}

export interface LossDecision {
  readonly certificateIds: readonly string[]
  readonly by: string
  readonly reason: string
}

/** Requests and certificates (spec 10 §10): `defacto erase …` as methods. */
export interface ErasureApi {
  /** What an erasure would change, by store, and what stands in its way. Changes nothing. */
  plan(subject: SubjectInput): Promise<ErasurePlan>
  /**
   * Asks for an erasure or redaction. The receipt is told once: with it the certificate can be shown to be about this
   * entity. A request for the same entity that is still open is returned instead (`receipt` null).
   */
  request(input: RequestInput): Promise<CreatedRequest>
  approve(requestId: string, options: { by: string }): Promise<ErasureRequest>
  refuse(requestId: string, options: { by: string; reason: string }): Promise<ErasureRequest>
  /** Goes on with these requests, or with all that wait for nobody's decision, as far as they get. */
  run(requestIds?: readonly string[], call?: PrivacyCall): Promise<readonly Advanced[]>
  /** `NotFoundError` if there is none of this id. */
  status(requestId: string): Promise<RequestView>
  list(filter?: RequestFilter): Promise<readonly ErasureRequest[]>
  /** `NotFoundError` while it is not closed. */
  certificate(requestId: string): Promise<Certificate>
  /** The chain, oldest first. */
  certificates(): Promise<readonly Certificate[]>
  /** Rejects with `E_ERASURES_LOST`, as builds and exports do, while such erasures wait for somebody's decision. */
  assertKnown(): Promise<void>
  /**
   * Somebody answers for erasures that a database from an older backup does not know of any more: all of them, by their
   * certificates. Builds and exports run again.
   */
  accept(decision: LossDecision): Promise<void>
  /**
   * Writes the files of the database anew, so that no bytes of removed rows are left in them. Nobody builds meanwhile, and it
   * needs the size of the database once more.
   */
  scrub(options?: { signal?: AbortSignal }): Promise<Scrubbed>
}

export interface HoldApi {
  /** `ConfigError` for a wrong filter, `ConflictError` (`E_PAST_PIVOT`) if the erasure has happened already. */
  add(hold: HoldInput): Promise<Hold>
  /** Those in force; `all`: ended and released ones as well. */
  list(options?: { all?: boolean }): Promise<readonly Hold[]>
  /** Requests that waited for it go on at the next `run`; their ids. */
  release(holdId: string): Promise<{ readonly hold: Hold; readonly requests: readonly string[] }>
}

/** What an open space gives. Calls that write run in its queue. */
export interface PrivacyParts extends ContextParts {
  write<T>(work: () => Promise<T>): Promise<T>
}

export class Privacy {
  readonly erasure: ErasureApi
  readonly holds: HoldApi
  readonly #parts: PrivacyParts
  #context: Promise<PrivacyContext> | null = null

  constructor(parts: PrivacyParts) {
    this.#parts = parts
    const { privacy } = parts.engine.store
    const within = async <T>(work: (context: PrivacyContext) => Promise<T>): Promise<T> => work(await this.context())
    const writing = <T>(work: (context: PrivacyContext) => Promise<T>): Promise<T> =>
      parts.write(async () => work(await this.context()))
    this.erasure = {
      plan: (subject) => within(async (context) => planErasure(context, (await subjectOf(context, subject)).entityId)),
      request: (input) => writing((context) => createRequest(context, input)),
      approve: (requestId, options) => writing((context) => approveRequest(context, requestId, options)),
      refuse: (requestId, options) => writing((context) => refuseRequest(context, requestId, options)),
      run: (requestIds, call = {}) =>
        writing(async (context) => advance(context, requestIds ?? (await waitingForNobody(context)), call)),
      status: async (requestId) => {
        const request = await privacy.request(requestId)
        if (request === undefined) throw unknownRequest(requestId)
        const certificate = (await privacy.certificates({ requestId })).at(-1)
        const stores = (await privacy.erasure(requestId))?.stores ?? {}
        return { ...request, receipt: null, stores, certificateId: certificate?.certificateId ?? null }
      },
      list: async (filter) => (await privacy.requests(filter)).map((request) => ({ ...request, receipt: null })),
      certificate: async (requestId) => {
        const row = (await privacy.certificates({ requestId })).at(-1)
        if (row !== undefined) return JSON.parse(row.body) as Certificate
        const request = await privacy.request(requestId)
        if (request === undefined) throw unknownRequest(requestId)
        const why =
          request.status === 'refused'
            ? 'no certificate: it was refused'
            : `no certificate yet: it is not closed; see \`defacto erase status ${requestId}\``
        throw new NotFoundError(`request '${requestId}' has ${why}`, { details: { requestId } })
      },
      assertKnown: () => assertNotRestored(parts.engine),
      certificates: async () => (await privacy.certificates()).map(({ body }) => JSON.parse(body) as Certificate),
      scrub: (options) => parts.write(() => scrubDatabase(parts.engine, options)),
      accept: (decision) =>
        parts.write(async () => {
          const kept = certificatesOf(parts.engine, parts.compliance)
          if (kept === null)
            throw new NotFoundError('no certificates are kept outside this database; none can be missing')
          await acceptLoss(parts.engine, kept, decision)
        }),
    }
    this.holds = {
      add: (hold) => writing((context) => addHold(context, hold)),
      list: (options = {}) => within((context) => listHolds(context, options)),
      release: (holdId) => writing((context) => releaseHold(context, holdId)),
    }
  }

  /** Made when it is asked for: most spaces are opened for something else. */
  context(): Promise<PrivacyContext> {
    this.#context ??= privacyContext(this.#parts).catch((error: unknown) => {
      // The database may answer the next time.
      this.#context = null
      throw error
    })
    return this.#context
  }

  erase(entityId: string, options: EraseOptions): Promise<EraseResult> {
    return this.#parts.write(async () => eraseEntity(await this.context(), entityId, options))
  }

  redact(entityId: string, options: RedactOptions): Promise<RedactResult> {
    return this.#parts.write(async () => redactEntity(await this.context(), entityId, options))
  }

  /** Goes on with erasures that were interrupted, if there are any. In the caller's place in the queue. */
  async resume(): Promise<void> {
    if ((await this.#parts.engine.store.privacy.openErasures()).length === 0) return
    await resumeOpen(await this.context())
  }

  /** Whether the database is older than the certificates outside it; builds and exports refuse from then on. */
  async checkRestored(): Promise<void> {
    const { engine, compliance } = this.#parts
    const kept = certificatesOf(engine, compliance)
    if (kept !== null) await checkRestored(engine, kept)
  }
}

/** Approved and begun requests whose time has come; held ones are looked at again, too. */
async function waitingForNobody({ engine }: PrivacyContext): Promise<string[]> {
  const now = engine.now().toString()
  const open = await engine.store.privacy.requests({
    status: ['approved', 'held', 'frozen', 'erasing', 'verifying', 'store_pending'],
  })
  return open.filter(({ retryAt }) => retryAt === null || retryAt <= now).map(({ requestId }) => requestId)
}
