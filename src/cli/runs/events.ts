/** Events of a run and of its steps, in the order in which they happened; followed, until the run has ended. */
import { setTimeout as pause } from 'node:timers/promises'
import type { RunEvent, RunPort, RunRow } from '../../ports/runs.ts'
import { hasEnded } from './lines.ts'

const LOOK_MS = 300
const PAGE = 1000

export async function* eventsOf(
  runs: Pick<RunPort, 'get' | 'children' | 'events'>,
  runId: string,
  options: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<RunEvent> {
  const after = new Map<string, number>()
  for (;;) {
    const run = await runs.get(runId)
    // Looked at before the events: whatever it noted at its end is among them.
    const over = run === undefined || hasEnded(run)
    const found: RunEvent[] = []
    const all: (RunRow | undefined)[] = [run, ...(await runs.children(runId))]
    for (const { runId: id } of all.filter((each) => each !== undefined)) {
      for (;;) {
        const page = await runs.events(id, { after: after.get(id) ?? 0, limit: PAGE })
        found.push(...page)
        if (page.length > 0) after.set(id, (page.at(-1) as RunEvent).seq)
        if (page.length < PAGE) break
      }
    }
    yield* found.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.seq - b.seq))
    if (over || !options.follow) return
    await pause(LOOK_MS, undefined, { signal: options.signal })
  }
}
