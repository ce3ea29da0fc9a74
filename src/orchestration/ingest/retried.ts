/** Runs that a run goes on for: what they held is opened again (spec 10 §3.3). */
import type { RunPort, RunRow } from '../../ports/runs.ts'

/** Ids of the runs that this one, or the pipeline run it is a step of, was made to retry. */
export async function retriedRuns(runs: RunPort, run: RunRow): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  await follow(runs, run, found)
  const parent = run.parentRunId === null ? undefined : await runs.get(run.parentRunId)
  if (parent === undefined) return found
  const parents = new Set<string>()
  await follow(runs, parent, parents)
  for (const id of parents) {
    for (const child of await runs.children(id)) if (child.op === 'ingest') found.add(child.runId)
  }
  return found
}

async function follow(runs: RunPort, run: RunRow, found: Set<string>): Promise<void> {
  for (let id = run.retryOf; id !== null && !found.has(id); ) {
    found.add(id)
    id = (await runs.get(id))?.retryOf ?? null
  }
}
