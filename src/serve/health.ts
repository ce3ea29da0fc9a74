/** Endpoints for whoever watches the server: alive, ready, metrics, and what it offers (spec 10 §4.8, §9). */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { HttpProblem } from './problem.ts'

/** Later than this, nobody is served in time any more. */
const LATE_MS = 5_000

const delay = monitorEventLoopDelay({ resolution: 20 })

/** Starts to measure; a process that serves nobody measures nothing. */
export function watchDelay(): () => void {
  delay.enable()
  return () => {
    delay.disable()
  }
}

/** The longest delay since it was asked last, in milliseconds. */
export function latestDelay(): number {
  const ms = delay.max / 1e6
  delay.reset()
  return ms
}

export const HEALTH_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'get',
    path: '/livez',
    scope: null,
    id: 'livez',
    summary: 'Alive: the event loop turns.',
    answers: { 200: { description: 'alive', content: { type: 'application/json', schema: null } } },
    async handle() {
      const ms = latestDelay()
      if (ms > LATE_MS) throw new HttpProblem(503, 'E_BUSY', `the event loop was held for ${Math.round(ms)} ms`)
      return json({ status: 'ok' })
    },
  }),
  endpoint({
    method: 'get',
    path: '/readyz',
    scope: null,
    id: 'readyz',
    summary: 'Ready: the database answers, its tables are current, runs can be started.',
    answers: { 200: { description: 'ready', content: { type: 'application/json', schema: null } } },
    async handle(_call, service) {
      if (service.draining()) throw new HttpProblem(503, 'E_STOPPING', 'the server is about to end')
      try {
        await service.ready()
      } catch (error) {
        throw new HttpProblem(503, 'E_NOT_READY', error instanceof Error ? error.message : 'not ready')
      }
      return json({ status: 'ok' })
    },
  }),
  endpoint({
    method: 'get',
    path: '/metrics',
    scope: 'read',
    id: 'metrics',
    summary: 'Metrics for Prometheus.',
    answers: { 200: { description: 'metrics', content: { type: 'text/plain', schema: null } } },
    async handle(_call, service) {
      return new Response(await service.metrics(), {
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      })
    },
  }),
]
