/** What the endpoints work with: a space, its runs, and who starts them. */
import type { AssetFreshness, AssetInfo } from '../orchestration/assets/model.ts'
import type { RequestStatus } from '../ports/privacy.ts'
import type { CheckResult, RunLog, RunRow } from '../ports/runs.ts'
import type { RequestView } from '../privacy.ts'
import type { TableQuery } from '../query/table-query.ts'
import type { Timeline } from '../results.ts'
import type { EraseRequest } from './erase.ts'
import type { RunRequest } from './schemas.ts'

export interface Tables {
  table(type: string): TableQuery
  history(type: string): TableQuery
}

export interface Service {
  readonly log: RunLog
  /** Of a version; default: the active one. */
  tables(version?: string): Tables
  timeline(id: string): Promise<Timeline>
  submit(request: RunRequest, key: string | undefined): Promise<{ readonly run: RunRow; readonly created: boolean }>
  cancel(runId: string, reason: string): Promise<RunRow>
  retry(runId: string): Promise<RunRow>
  /** Stores the records; resolves when they are. */
  push(
    source: string,
    records: AsyncIterable<unknown>,
    options: { readonly key?: string; readonly process: boolean },
  ): Promise<{ readonly batchId: string; readonly run: RunRow }>
  /** `created`: there was no request of this key, or open one for this entity, before. */
  erase(
    request: EraseRequest,
    key: string | undefined,
  ): Promise<{
    readonly requestId: string
    readonly runId: string | null
    readonly status: RequestStatus
    readonly receipt: string | null
    readonly created: boolean
  }>
  erasure(requestId: string): Promise<RequestView>
  certificate(requestId: string): Promise<unknown>
  schedules(): Promise<readonly Readonly<Record<string, unknown>>[]>
  assets(): Promise<readonly AssetInfo[]>
  freshness(): Promise<readonly AssetFreshness[]>
  checks(): Promise<readonly CheckResult[]>
  /** Text for Prometheus. */
  metrics(): Promise<string>
  /** Resolves if the database answers and runs can be started; rejects with what is missing. */
  ready(): Promise<void>
  /** True from the moment on in which the server is to stop. */
  draining(): boolean
}
