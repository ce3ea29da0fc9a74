/** Runs on a server, submitted and awaited as a program would. */
import type { SubmitRequest } from '../src/orchestration/contract.ts'
import type { RunRow } from '../src/ports/runs.ts'
import { connectClient, type TemporalAddress } from '../src/temporal/connect.ts'
import { type Place, PREFIX, workflowId } from '../src/temporal/names.ts'
import { runnerOf } from '../src/temporal/runner.ts'
import type { BenchSpace } from './orchestration-space.ts'

/** One event of a workflow's history: what happened, when (ms), and the event it answers. */
export interface HistoryEvent {
  readonly id: number
  readonly type: string
  readonly at: number
  /** Ids of the events that scheduled and started what this one ends. */
  readonly scheduled: number
  readonly started: number
}

export interface BenchClient {
  submit(request: SubmitRequest): Promise<RunRow>
  /** Resolves when the run's workflow has ended, however. */
  ended(run: RunRow): Promise<void>
  history(run: RunRow): Promise<readonly HistoryEvent[]>
  close(): Promise<void>
}

export async function benchClient({ context, control }: BenchSpace, temporal: TemporalAddress): Promise<BenchClient> {
  const { client, close } = await connectClient(temporal)
  const place: Place = { prefix: PREFIX, space: context.operations.space }
  const runner = runnerOf(client, place, true)
  const handleOf = (run: RunRow) => client.workflow.getHandle(workflowId(place, control.stepRef(run).workflowId))
  return {
    async submit(request) {
      const { run } = await control.submit(request)
      await runner.start(control.stepRef(run))
      return run
    },
    async ended(run) {
      await handleOf(run)
        .result()
        .catch(() => undefined)
    },
    async history(run) {
      const { events } = await handleOf(run).fetchHistory()
      return (events ?? []).map((event) => {
        const [name = '', attributes] =
          Object.entries(event).find(([key, value]) => key.endsWith('EventAttributes') && value !== null) ?? []
        const ids = attributes as { scheduledEventId?: unknown; startedEventId?: unknown } | undefined
        const { seconds, nanos } = event.eventTime ?? {}
        return {
          id: Number(event.eventId),
          type: name.replace('EventAttributes', ''),
          at: Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6,
          scheduled: Number(ids?.scheduledEventId ?? 0),
          started: Number(ids?.startedEventId ?? 0),
        }
      })
    },
    close,
  }
}
