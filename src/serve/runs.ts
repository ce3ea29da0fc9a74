/** Endpoints of runs: start, look, wait, follow, cancel, retry (spec 10 §9). */
import { setTimeout as pause } from 'node:timers/promises'
import { instantFromText } from '../core/instant.ts'
import { NotFoundError } from '../errors.ts'
import { RUN_ENDED, type RunFilter, type RunOp, type RunRow } from '../ports/runs.ts'
import { eventView, runView } from '../run-view.ts'
import { traceparentFrom, withTraceparent } from '../telemetry/traceparent.ts'
import { bytesOf } from './bytes.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { followed, serverSent } from './events.ts'
import { HttpProblem } from './problem.ts'
import {
  ACCEPTED,
  EVENTS_QUERY,
  REASON,
  RUN,
  RUN_EVENT,
  RUN_QUERY,
  RUN_REQUEST,
  RUN_WITH_STEPS,
  RUNS,
  WAIT_QUERY,
} from './schemas.ts'
import type { Service } from './service.ts'

const KEY = /^[\x21-\x7e]{1,128}$/
const RUN_ID = { id: 'id of the run' }
const LOOK_MS = 100

export const RUN_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'post',
    path: '/v1/runs',
    scope: 'run',
    id: 'startRun',
    summary: 'Starts a run; the same idempotency key gives the same run.',
    headers: { 'Idempotency-Key': 'up to 128 visible characters; a repeated request gives the first run' },
    body: RUN_REQUEST,
    answers: {
      202: { description: 'stored; it runs', content: { type: 'application/json', schema: ACCEPTED } },
      200: {
        description: 'the run that has this key already',
        content: { type: 'application/json', schema: ACCEPTED },
      },
    },
    async handle({ http, body }, service) {
      const key = http.req.header('idempotency-key')
      if (key !== undefined && !KEY.test(key))
        throw new HttpProblem(400, 'E_USAGE', 'Idempotency-Key takes 1 to 128 visible characters')
      const caller = traceparentFrom((name) => http.req.header(name))
      const { run, created } = await withTraceparent(caller, () => service.submit(body, key))
      return json({ run_id: run.runId, status: run.status }, created ? 202 : 200, { location: `/v1/runs/${run.runId}` })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/runs',
    scope: 'read',
    id: 'listRuns',
    summary: 'Runs, newest first, without those of steps.',
    query: RUN_QUERY,
    answers: { 200: { description: 'runs', content: { type: 'application/json', schema: RUNS } } },
    async handle({ query }, { log }) {
      const [tag, ...value] = query.tag?.split('=') ?? []
      const filter: RunFilter = {
        parentRunId: null,
        ...(query.status === undefined ? {} : { status: query.status }),
        ...(query.op === undefined ? {} : { op: query.op as RunOp[] }),
        ...(query.pipeline === undefined ? {} : { pipeline: query.pipeline }),
        ...(tag === undefined ? {} : { tags: { [tag]: value.join('=') } }),
        ...(query.since === undefined ? {} : { since: String(instantFromText(query.since)) }),
        limit: query.limit,
      }
      return json({ runs: (await log.runs.list(filter)).map(runView) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/runs/{id}',
    scope: 'read',
    id: 'getRun',
    summary: 'One run with its steps; with wait, when it has ended or the time is over.',
    parameters: RUN_ID,
    query: WAIT_QUERY,
    answers: { 200: { description: 'the run', content: { type: 'application/json', schema: RUN_WITH_STEPS } } },
    async handle({ http, query }, service) {
      const id = http.req.param('id') as string
      const until = performance.now() + (query.wait ?? 0)
      let run = await theRun(service, id)
      while (!RUN_ENDED.includes(run.status) && performance.now() < until && !service.draining()) {
        await pause(Math.min(LOOK_MS, until - performance.now()))
        if (http.req.raw.signal.aborted) break
        run = await theRun(service, id)
      }
      return json({ ...runView(run), steps: (await service.log.runs.children(id)).map(runView) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/runs/{id}/events',
    scope: 'read',
    id: 'getRunEvents',
    summary: 'What a run noted: JSON lines, or server-sent events for `Accept: text/event-stream`.',
    parameters: RUN_ID,
    headers: { 'Last-Event-ID': 'goes on after this event, as `after` does' },
    query: EVENTS_QUERY,
    answers: {
      200: { description: 'one event per line', content: { type: 'application/x-ndjson', schema: RUN_EVENT } },
    },
    async handle({ http, query }, service) {
      const id = (await theRun(service, http.req.param('id') as string)).runId
      const stream = (http.req.header('accept') ?? '').includes('text/event-stream')
      const last = Number(http.req.header('last-event-id') ?? query.after)
      const after = Number.isSafeInteger(last) && last >= 0 ? last : query.after
      const follow = stream || query.follow === 'true'
      const events = followed(service, id, { after, follow, signal: http.req.raw.signal })
      if (stream) return serverSent(events)
      const lines = async function* (): AsyncGenerator<string> {
        for await (const event of events) if (event !== null) yield `${JSON.stringify(eventView(event))}\n`
      }
      return new Response(bytesOf(lines()), { headers: { 'content-type': 'application/x-ndjson' } })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/runs/{id}/cancel',
    scope: 'run',
    id: 'cancelRun',
    summary: 'Asks a run to stop at its next chunk; what was committed stays.',
    parameters: RUN_ID,
    body: REASON,
    answers: { 202: { description: 'it is asked to', content: { type: 'application/json', schema: RUN } } },
    async handle({ http, body }, service) {
      const { runId } = await theRun(service, http.req.param('id') as string)
      return json(runView(await service.cancel(runId, body?.reason ?? 'asked for over HTTP')), 202)
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/runs/{id}/retry',
    scope: 'run',
    id: 'retryRun',
    summary: 'A new run from the first step that did not succeed.',
    parameters: RUN_ID,
    answers: { 202: { description: 'stored; it runs', content: { type: 'application/json', schema: ACCEPTED } } },
    async handle({ http }, service) {
      const { runId } = await theRun(service, http.req.param('id') as string)
      const run = await service.retry(runId)
      return json({ run_id: run.runId, status: run.status }, 202, { location: `/v1/runs/${run.runId}` })
    },
  }),
]

async function theRun({ log }: Service, id: string): Promise<RunRow> {
  const run = await log.runs.get(id)
  if (run === undefined) throw new NotFoundError(`there is no run '${id.slice(0, 64)}'`)
  return run
}
