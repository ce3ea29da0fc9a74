/**
 * Which effects a unit of work ran, told afterwards from the changes around it (spec 03 §9): the interpreter itself keeps
 * no account of it. Pure.
 */
import type { EffectDef } from './definition/model.ts'
import { holds, runEffects } from './effects.ts'
import type { LedgerEvent } from './event.ts'
import type { Compiled } from './expression/compile.ts'
import type { EntityView } from './expression/context.ts'
import { emptyState, ownHandler } from './interpret.ts'
import type { CompiledEffect, CompiledEntity } from './program/types.ts'
import { getOwn } from './raw-path.ts'
import type { Change, EntityState, FoldOptions } from './snapshot.ts'
import { Working } from './working.ts'

/** One effect that was applied. */
export interface Step {
  /** Its place below the entity: `states.lead.when.upgraded.effects[1]`. */
  readonly path: string
  readonly effect: CompiledEffect
  /** The effect as it is written. */
  readonly definition: EffectDef
  /** The entity when the effect began; null: not created yet. */
  readonly before: EntityView | null
}

/** The effects behind `changes[index]`, in order. `event`: the one that caused it; null for a time rule. */
export function stepsOf(
  entity: CompiledEntity,
  changes: readonly Change[],
  index: number,
  event: LedgerEvent | null,
  options: FoldOptions,
): Step[] {
  const { cause, snapshot } = changes[index] as Change
  const { states, always } = entity.definition
  const work = new Working(entity, stateBefore(entity, changes, index), options)
  const unit = new Unit(work, snapshot.validFrom)
  const state = work.current ?? entity.starts
  work.begin(snapshot.validFrom)
  work.context.event = event
  if (cause.kind === 'rule') {
    const at = state.rules.findIndex(({ name }) => name === cause.rule)
    const written = getOwn(states, state.name)?.after?.[at]
    unit.run(`states.${cause.rule}`, null, state.rules[at]?.effects ?? [], written?.effects)
    return unit.steps
  }
  const { eventType } = cause
  const first = ownHandler(work, eventType)
  const second = entity.always.get(eventType)
  if (first !== undefined) {
    const written = getOwn(getOwn(states, state.name)?.when ?? {}, eventType)
    unit.run(`states.${state.name}.when.${eventType}`, first.guard, first.effects, written?.effects)
  }
  if (second !== undefined && (work.current !== null || second.creates)) {
    const written = getOwn(always ?? {}, eventType)
    unit.run(`always.${eventType}`, second.guard, second.effects, written?.effects)
  }
  return unit.steps
}

class Unit {
  readonly steps: Step[] = []
  readonly #work: Working
  readonly #at: Change['snapshot']['validFrom']

  constructor(work: Working, at: Change['snapshot']['validFrom']) {
    this.#work = work
    this.#at = at
  }

  /** Effects and their definitions stand in the same order. */
  run(
    path: string,
    guard: Compiled | null,
    effects: readonly CompiledEffect[],
    written: readonly EffectDef[] = [],
  ): void {
    const work = this.#work
    if (guard !== null && !holds(work, guard, 'guard')) return
    for (const [i, effect] of effects.entries()) {
      if (effect.kind === 'create' ? work.current !== null : !meets(work, effect.condition)) continue
      const definition = written[i] as EffectDef
      this.steps.push({ path: `${path}.effects[${i}]`, effect, definition, before: viewOf(work) })
      runEffects(work, [effect], this.#at)
    }
  }
}

function meets(work: Working, condition: Compiled | null): boolean {
  return condition === null || holds(work, condition, 'condition')
}

/** A copy: the working entity goes on. */
function viewOf(work: Working): EntityView | null {
  if (work.current === null) return null
  const { id, state, createdTime, stateEnteredTime, lastEventTime } = work
  return { id, state, createdTime, stateEnteredTime, lastEventTime, properties: { ...work.properties } }
}

/**
 * Units that changed nothing left nothing behind that expressions can see, so the last snapshot and the time of the last
 * event are the whole state.
 */
function stateBefore(entity: CompiledEntity, changes: readonly Change[], index: number): EntityState {
  const { lastEventBefore, snapshot } = changes[index] as Change
  const last = changes[index - 1]?.snapshot
  const empty = emptyState(entity.type, snapshot.entityId)
  if (last === undefined) return { ...empty, lastEventTime: lastEventBefore }
  const { state, properties, createdTime, stateEnteredTime, validFrom } = last
  return {
    ...empty,
    state,
    properties,
    createdTime,
    stateEnteredTime,
    lastEventTime: lastEventBefore,
    lastSnapshot: validFrom,
  }
}
