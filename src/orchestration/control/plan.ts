/** Which steps of a pipeline are due, given what became of the others (spec 10 §3.4). Pure. */
import type { RunRow } from '../../ports/runs.ts'
import type { Step } from '../model.ts'
import { hasEnded, isGood } from './common.ts'

/** `left`: its condition did not come about, which is no failure; `blocked`: what it needs failed. */
export type StepState = 'due' | 'waits' | 'active' | 'good' | 'failed' | 'left' | 'blocked'

export function stepStates(
  steps: readonly Pick<Step, 'id' | 'needs' | 'when'>[],
  children: readonly Pick<RunRow, 'step' | 'status'>[],
  /** Steps that a run before this one has done, and those that alone are wanted (null: all). */
  given: { readonly succeeded: readonly string[]; readonly only: readonly string[] | null },
): ReadonlyMap<string, StepState> {
  const states = new Map<string, StepState>()
  const stateOf = (step: Pick<Step, 'id' | 'needs' | 'when'>): StepState => {
    const own = children.filter((child) => child.step === step.id)
    if (own.length > 0) {
      if (!own.every(hasEnded)) return 'active'
      return own.every(isGood) ? 'good' : 'failed'
    }
    if (given.succeeded.includes(step.id)) return 'good'
    if (given.only !== null && !given.only.includes(step.id)) return 'left'
    const needs = step.needs.map((id) => states.get(id) ?? 'waits')
    if (needs.some((state) => state === 'due' || state === 'waits' || state === 'active')) return 'waits'
    const failed = needs.some((state) => state === 'failed' || state === 'blocked')
    if (step.when === 'always') return 'due'
    if (step.when === 'failure') return failed ? 'due' : 'left'
    return failed ? 'blocked' : 'due'
  }
  // What a step needs stands before it, or is looked at again until nothing changes.
  for (let round = 0; round < steps.length; round++) {
    let changed = false
    for (const step of steps) {
      const state = stateOf(step)
      changed ||= states.get(step.id) !== state
      states.set(step.id, state)
    }
    if (!changed) break
  }
  return states
}
