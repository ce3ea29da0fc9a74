/** Events of one run as a stream, until it ends, the reader goes or the server stops. */
import { setTimeout as pause } from 'node:timers/promises'
import { RUN_ENDED, type RunEvent } from '../ports/runs.ts'
import { eventView } from '../run-view.ts'
import { bytesOf } from './bytes.ts'
import type { Service } from './service.ts'

const LOOK_MS = 200
const PAGE = 500
/** A line now and then, so that nobody in between takes the connection for dead. */
const ALIVE_MS = 15_000

/** Null: nothing new for a while. */
export async function* followed(
  { log, draining }: Pick<Service, 'log' | 'draining'>,
  runId: string,
  options: { readonly after: number; readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<RunEvent | null> {
  let { after } = options
  let spoke = performance.now()
  while (!options.signal.aborted) {
    const run = await log.runs.get(runId)
    const over = run === undefined || RUN_ENDED.includes(run.status)
    for (;;) {
      const page = await log.runs.events(runId, { after, limit: PAGE })
      for (const event of page) {
        after = event.seq
        spoke = performance.now()
        yield event
      }
      if (page.length < PAGE) break
    }
    if (over || !options.follow || draining()) return
    if (performance.now() - spoke > ALIVE_MS) {
      spoke = performance.now()
      yield null
    }
    await pause(LOOK_MS, undefined, { signal: options.signal }).catch(() => undefined)
  }
}

export function serverSent(events: AsyncGenerator<RunEvent | null>): Response {
  const texts = async function* (): AsyncGenerator<string> {
    for await (const event of events) {
      yield event === null
        ? ': still here\n\n'
        : `id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(eventView(event))}\n\n`
    }
    yield 'event: end\ndata: {}\n\n'
  }
  return new Response(bytesOf(texts()), {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  })
}
