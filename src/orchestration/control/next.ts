/** What a pipeline or backfill starts next (spec 10 §3.4, §4.2). Its child runs are made here, each exactly once. */
import type { Json, RunRow } from '../../ports/runs.ts'
import { nextWindows } from '../backfill/next.ts'
import type { NextStep, Ref } from '../contract.ts'
import type { Pipeline, Step } from '../model.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { makeChild } from './child.ts'
import { type ControlContext, hasEnded, runNamed, stepRefOf } from './common.ts'
import { stepStates } from './plan.ts'
import { stepIds } from './submit.ts'

const DONE: NextStep = { steps: [], parallel: 1, done: true }

export async function nextStep(context: ControlContext, ref: Ref): Promise<NextStep> {
  const run = await runNamed(context, ref.runId)
  if (hasEnded(run) || run.cancelReason !== null) return DONE
  if (run.op === 'backfill') return nextWindows(context, run)
  const pipeline = pipelineOf(run)
  if (run.op !== 'pipeline' || pipeline === null) return DONE
  const children = await context.operations.log.runs.children(run.runId)
  const active = children.filter((child) => !hasEnded(child))
  const input = inputOf(run)
  const states = stepStates(pipeline.steps, children, {
    succeeded: stepIds(input['succeeded']),
    only: input['only'] === undefined ? null : stepIds(input['only']),
  })
  const due = pipeline.steps.filter(({ id }) => states.get(id) === 'due')
  // Steps that do not need each other start together; those that were made before and have not ended are named again.
  for (const step of due) active.push(...(await makeChildren(context, run, pipeline, step)))
  if (active.length === 0) return DONE
  return { steps: active.map((child) => stepRefOf(context, child)), parallel: pipeline.parallel, done: false }
}

async function makeChildren(
  context: ControlContext,
  run: RunRow,
  pipeline: Pipeline,
  step: Step,
): Promise<readonly RunRow[]> {
  const body = inputOf(run)['pipeline'] ?? null
  const inputs = inputsOf(pipeline, step)
  const head = await context.operations.head()
  const made: RunRow[] = []
  for (const [name, options] of inputs) {
    made.push(
      await makeChild(context, run, {
        op: step.kind,
        step: step.id,
        name,
        input: { ...options, pipeline: body },
        head,
      }),
    )
  }
  return made
}

/** One child run per input of an ingest step, one for every other step; by the child's name. */
function inputsOf(pipeline: Pipeline, step: Step): readonly (readonly [string, { readonly [key: string]: Json }])[] {
  const one = (options: { readonly [key: string]: Json }): readonly (readonly [string, typeof options])[] => [
    [step.id, options],
  ]
  switch (step.kind) {
    case 'ingest': {
      const names = step.inputs.length > 0 ? step.inputs : pipeline.inputs.map(({ name }) => name)
      return names.map((name) => [`${step.id}/${name}`, { input: name }] as const)
    }
    case 'build':
      return one({ version: step.version, full: step.full, fromRaw: step.fromRaw })
    case 'tick':
      return one({ asOf: step.asOf })
    case 'check':
      return one(step.only.length > 0 ? { only: step.only } : {})
    case 'flush':
      return one({ upTo: step.upTo })
    case 'prune':
      return one({ before: step.before })
    case 'maintain':
      return one({ compact: step.compact, vacuum: step.vacuum, verify: step.verify })
    case 'expire':
      return one({})
    case 'erase_queue':
      return one({ max: step.max, maxWaitMs: step.maxWaitMs })
    case 'export': {
      const { to, format, types, relationships, history } = step
      return one({ to, format, types, relationships, history })
    }
  }
}
