/** One export per workflow of spec 10 §4.2. They decide nothing: what is next, and what became of it, is in the database. */
import { getExternalWorkflowHandle, setWorkflowOptions, sleep, workflowInfo } from '@temporalio/workflow'
import type { ClosedRun, Ref, SlotDecision, SlotRef, StepRef } from '../activities/types.ts'
import { ask, callStep, idBase } from './call.ts'
import { CHUNKS } from './constants.ts'
import { driveRun, isLong, type Worked } from './drive.ts'
import { takeTurn } from './turn.ts'
import { requests } from './waiting.ts'

/** What a schedule starts: decides about the slot, and has its run started in its turn. */
export async function scheduledPipeline(given: SlotRef): Promise<SlotDecision> {
  const nominal = workflowInfo().searchAttributes['TemporalScheduledStartTime']?.[0]
  const slot = nominal instanceof Date ? nominal.toISOString() : null
  const decision = await ask('decideTick', { ...given, slot: given.slot ?? slot })
  const id = `pipeline/${given.pipeline}`
  if (decision.cancel.length > 0) {
    await getExternalWorkflowHandle(`${idBase()}/${id}`)
      .cancel()
      .catch(() => {})
  }
  if (decision.runId !== null) {
    const step: StepRef = { runId: decision.runId, op: 'pipeline', workflowId: id }
    await takeTurn(given.space, step, { behind: decision.outcome === 'queued', leave: true })
  }
  return decision
}

/** What is started for a run whose workflow id is taken: waits for its turn in its place. */
export async function awaitTurn(space: string, step: StepRef): Promise<void> {
  await takeTurn(space, step, { behind: true, leave: true })
}

/** Steps as child runs, until the database has no more of them. */
async function steps(ref: Ref): Promise<ClosedRun> {
  return driveRun(ref, async () => {
    for (let activities = 1; ; ) {
      const next = await ask('nextStep', ref)
      activities += 1
      if (next.done) return 'done'
      // What is there to run is not due yet, or others run it.
      if (next.steps.length === 0) await sleep('1 second')
      else activities += await atOnce(ref.space, next.steps, next.parallel)
      if (isLong(activities)) return 'again'
    }
  })
}

async function atOnce(space: string, all: readonly StepRef[], parallel: number): Promise<number> {
  const waiting = [...all]
  async function lane(): Promise<void> {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) await takeTurn(space, step)
  }
  const lanes = Array.from({ length: Math.max(1, Math.min(parallel, all.length)) }, lane)
  // One that fails must not leave the others without anybody who waits for them.
  const ends = await Promise.allSettled(lanes)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  // As large in the history as so many activities.
  return 2 * all.length
}

/** The activities of one operation, each as long as it has more. */
async function chunks(ref: Ref, op: keyof typeof CHUNKS): Promise<ClosedRun> {
  return driveRun(ref, async (run): Promise<Worked> => {
    let activities = 1
    for (const name of CHUNKS[op]) {
      for (let more = true; more; ) {
        more = (await callStep(name, ref, run)).more
        activities += 1
        if (more && isLong(activities)) return 'again'
      }
    }
    return 'done'
  })
}

export const runPipeline = (ref: Ref): Promise<ClosedRun> => steps(ref)
export const backfill = (ref: Ref): Promise<ClosedRun> => steps(ref)
export const ingest = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'ingest')
export const build = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'build')
export const tick = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'tick')
export const check = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'check')
export const flush = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'flush')
export const prune = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'prune')
export const maintain = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'maintain')
export const exportTables = (ref: Ref): Promise<ClosedRun> => chunks(ref, 'export')
export const erase = (ref: Ref): Promise<ClosedRun> => requests(ref, 'erase')
export const redact = (ref: Ref): Promise<ClosedRun> => requests(ref, 'redact')
export const eraseQueue = (ref: Ref): Promise<ClosedRun> => requests(ref, 'erase_queue')
export const expire = (ref: Ref): Promise<ClosedRun> => requests(ref, 'expire')

// What began with one edition of this code ends with it; what is short or only waits goes on with a newer one. Workers
// without versions must not say so.
const versioned = (versioningBehavior: 'PINNED' | 'AUTO_UPGRADE') => () =>
  workflowInfo().currentDeploymentVersion?.deploymentName ? { versioningBehavior } : {}
for (const workflow of [runPipeline, backfill, build, erase, redact]) setWorkflowOptions(versioned('PINNED'), workflow)
for (const workflow of [ingest, tick, check, flush, prune, maintain, exportTables, eraseQueue, expire]) {
  setWorkflowOptions(versioned('AUTO_UPGRADE'), workflow)
}
setWorkflowOptions(versioned('AUTO_UPGRADE'), scheduledPipeline)
setWorkflowOptions(versioned('AUTO_UPGRADE'), awaitTurn)
