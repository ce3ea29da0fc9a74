/** What the effects of handlers and time rules do to an entity (spec 03 §9). */
import type { Compiled } from './expression/compile.ts'
import { Fault } from './fault.ts'
import { hintOf } from './hints.ts'
import type { Instant } from './instant.ts'
import type { CompiledEffect, CompiledRelate } from './program/types.ts'
import { setOwn } from './raw-path.ts'
import { asNumber, Float, kindOf, toFloat, toInt, type Value } from './value.ts'
import type { Working } from './working.ts'

/** Runs effects in order, each after its condition; throws a `Fault` or an `EvaluationError` to give the unit up. */
export function runEffects(work: Working, effects: readonly CompiledEffect[], at: Instant): void {
  for (let i = 0; i < effects.length; i++) {
    const effect = effects[i] as CompiledEffect
    if (effect.kind === 'create') {
      if (work.current !== null) continue
      work.create(at)
    } else {
      work.field = null
      if (effect.condition !== null && !holds(work, effect.condition, 'condition')) continue
      if (work.current === null) throw new Fault(`'${effect.kind}' on an entity that does not exist yet`, null)
      if (!runOne(work, effect, at)) continue
    }
    work.applied()
  }
  work.field = null
}

/** The answer of a guard or condition: null is false, other kinds than Bool are a fault (spec 02 §9). */
export function holds(work: Working, expression: Compiled, place: string): boolean {
  const value = work.valueOf(expression)
  if (value === true) return true
  if (value === false || value === null) return false
  throw new Fault(`${place} must give Bool, not ${kindOf(value)}`, null)
}

function runOne(work: Working, effect: Exclude<CompiledEffect, { kind: 'create' }>, at: Instant): boolean {
  switch (effect.kind) {
    case 'transition':
      work.transition(effect.to, at)
      return true
    case 'set': {
      const { name, rule } = effect.property
      work.field = name
      work.put(name, work.conformed(work.valueOf(effect.read), name, rule))
      return true
    }
    case 'increment': {
      const { name, rule } = effect.property
      work.field = name
      work.put(name, work.conformed(sum(work.properties[name] as Value, effect.by, name), name, rule))
      return true
    }
    case 'relate':
      return relate(work, effect.relate)
  }
}

/** Int + Int is Int, anything else Float; null and absent count as 0. */
function sum(value: Value, by: Value, name: string): Value {
  const was = value ?? 0
  if (typeof was === 'number' && typeof by === 'number') {
    const total = was + by
    if (Number.isSafeInteger(total) && Number.isSafeInteger(was) && Number.isSafeInteger(by)) return total
  }
  if (!isNumeric(was) || !isNumeric(by)) throw new Fault(`cannot increment ${kindOf(was)}`, name)
  const total = isInt(was) && isInt(by) ? toInt(BigInt(was) + BigInt(by)) : finite(asNumber(was) + asNumber(by))
  if (total === null) throw new Fault('increment leaves the range of numbers', name)
  return total
}

function finite(n: number): number | Float | null {
  return Number.isFinite(n) ? toFloat(n) : null
}

function isNumeric(value: Value): value is number | bigint | Float {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float
}

function isInt(value: number | bigint | Float): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
}

/** Adds or changes the edge; false if the event does not name a target. */
function relate(work: Working, effect: CompiledRelate): boolean {
  const hints = targetHints(work, effect)
  const targetId = hints === null ? undefined : work.options.targets(effect.target, hints)
  if (targetId === undefined) return false
  const properties: Record<string, Value> = {}
  for (const { name, rule, initial, read } of effect.properties) {
    work.field = name
    setOwn(properties, name, read === null ? initial : work.conformed(work.valueOf(read), name, rule))
  }
  work.relate({ type: effect.type, targetId, targetType: effect.target, properties }, effect.single)
  return true
}

/** Canonical hints naming the target, or null if the event has none. */
function targetHints(work: Working, { target, fields, ownFields }: CompiledRelate): Record<string, string> | null {
  const { event } = work.context
  if (event === null) return null
  let hints: Record<string, string> | null = null
  for (const identity of fields ?? ownFields.get(event.source) ?? []) {
    const hint = hintOf(identity, target, event, work.context)
    if (hint === null) continue
    hints ??= {}
    setOwn(hints, identity.field, hint)
  }
  return hints
}
