/** One entity's events, sorted, to its history (03 §8–10). */
import { conform, literal } from './coerce.ts'
import {
  type Defs,
  type EffectDef,
  type EntityDef,
  effectOf,
  type HandlerDef,
  type RuleDef,
  type SourceOfValue,
} from './definitions.ts'
import { evaluate, type Scope, truth } from './expression.ts'
import { type EntityKey, type Identity, targetHints } from './identity.ts'
import type { OracleEvent } from './normalize.ts'
import { Failure, same, step, Time, UNITS, type V } from './values.ts'

export interface Row {
  state: string
  props: Map<string, V>
  from: bigint
  to: bigint | null
  last: bigint
  entered: bigint
  created: bigint
}
export interface EdgeRow {
  type: string
  target: EntityKey
  props: Map<string, V>
  from: bigint
  to: bigint | null
}
export interface EntityFailure {
  key: EntityKey
  field: string | null
  sequence: number | null
}

interface Edge {
  type: string
  target: EntityKey
  props: Map<string, V>
}
interface Working {
  state: string | null
  props: Map<string, V>
  created: bigint
  entered: bigint
  edges: Edge[]
  fired: Set<number>
  transitioned: boolean
}

export class Replay {
  readonly rows: Row[] = []
  readonly edgeRows: EdgeRow[] = []
  readonly failures: EntityFailure[] = []
  #work: Working = {
    state: null,
    props: new Map(),
    created: 0n,
    entered: 0n,
    edges: [],
    fired: new Set(),
    transitioned: false,
  }
  #last: bigint | null = null
  readonly #defs: Defs
  readonly #entity: EntityDef
  readonly #key: EntityKey
  readonly #identity: Identity

  constructor(defs: Defs, type: string, key: EntityKey, identity: Identity) {
    this.#defs = defs
    this.#entity = defs.entities[type] as EntityDef
    this.#key = key
    this.#identity = identity
  }

  event(event: OracleEvent): void {
    const at = event.timestamp.us
    this.advance(at)
    const copy = this.#copy()
    try {
      this.#handle(copy, event)
    } catch (error) {
      this.#failed(error, event.sequence)
      this.#activity(at, null)
      this.advance(at)
      return
    }
    this.#activity(at, copy)
    this.advance(at)
  }

  /** The event counts as activity; with `copy`, its outcome is committed. */
  #activity(at: bigint, copy: Working | null): void {
    const changed = copy !== null && this.#changed(copy)
    const before = this.#work
    if (copy) this.#work = copy
    this.#last = at
    this.#rearm('inactivity')
    if (copy && changed) this.#snapshot(before, copy, at)
    else if (this.rows.length > 0) (this.rows.at(-1) as Row).last = at
  }

  #handle(copy: Working, event: OracleEvent): void {
    const { states, starts, always } = this.#entity
    const missing = copy.state === null
    let inState = states[copy.state ?? starts]?.when?.[event.type]
    if (missing && inState && !creates(inState)) inState = undefined
    const anywhere = always?.[event.type]
    if (!inState && !anywhere) return
    if (inState) this.#run(copy, inState, event)
    if (anywhere && (copy.state !== null || creates(anywhere))) this.#run(copy, anywhere, event)
    if (copy.state !== null) this.#computed(copy, event.timestamp.us)
  }

  #run(copy: Working, handler: HandlerDef, event: OracleEvent): void {
    if (handler.guard !== undefined && !truth(evaluate(handler.guard, this.#scope(copy, event, event.timestamp.us))))
      return
    for (const effect of handler.effects) this.#effect(copy, effect, event, event.timestamp.us)
  }

  #effect(copy: Working, effect: EffectDef, event: OracleEvent | null, at: bigint): void {
    const [kind, body] = effectOf(effect)
    if (kind === 'create') {
      if (copy.state !== null) return
      copy.state = this.#entity.starts
      copy.created = at
      copy.entered = at
      for (const [name, p] of Object.entries(this.#entity.properties ?? {})) {
        copy.props.set(name, conform(literal(p.default, p.type), p, name))
      }
      return
    }
    if (copy.state === null) throw new Failure('the entity does not exist')
    if (body.condition !== undefined && !truth(evaluate(body.condition, this.#scope(copy, event, at)))) return
    if (kind === 'transition') {
      if (copy.state === body.to) for (const type of ['state_duration', 'inactivity']) this.#rearm(type, copy)
      else copy.fired.clear()
      copy.state = body.to as string
      copy.entered = at
      copy.transitioned = true
    } else if (kind === 'set') {
      const name = body.property as string
      this.#write(
        copy,
        name,
        this.#named(name, () => this.#value(body, copy, event, at)),
      )
    } else if (kind === 'increment') {
      const old = copy.props.get(body.property as string) ?? 0n
      const by = literal(body.by ?? 1, null) as bigint | number
      if (typeof old !== 'bigint' && typeof old !== 'number') throw new Failure('not a number', body.property as string)
      const whole = typeof old === 'bigint' && typeof by === 'bigint'
      this.#write(copy, body.property as string, whole ? old + by : Number(old) + Number(by))
    } else if (kind === 'relate') {
      this.#relate(copy, effect, event as OracleEvent)
    } else throw new Error(`no effect ${kind}`)
  }

  #write(copy: Working, name: string, value: V): void {
    copy.props.set(name, conform(value, this.#entity.properties?.[name] as { type: string }, name))
  }

  #value(body: SourceOfValue, copy: Working, event: OracleEvent | null, at: bigint): V {
    const scope = this.#scope(copy, event, at)
    if (body.from !== undefined) {
      const [root, first = '', ...rest] = body.from.split('.')
      return rest.reduce<V>(step, (root === 'event' ? scope.event : scope.entity)?.(first) ?? null)
    }
    return body.compute !== undefined ? evaluate(body.compute, scope) : literal(body.value, null)
  }

  #relate(copy: Working, effect: EffectDef, event: OracleEvent): void {
    const [, body] = effectOf(effect)
    const hints = targetHints(this.#defs, event, body.target as string, body.hints)
    const target = hints && this.#identity.keyOf(body.target as string, hints)
    if (!target) return
    const declared = (this.#entity.relationships ?? []).find((r) => r.type === body.type && r.target === body.target)
    const props = new Map<string, V>()
    for (const [name, limits] of Object.entries(declared?.properties ?? {})) {
      const given = body.properties?.[name]
      const value = given ? this.#value(given, copy, event, event.timestamp.us) : literal(limits.default, limits.type)
      props.set(name, conform(value, limits, name))
    }
    const single = declared?.cardinality === 'belongs_to' || declared?.cardinality === 'has_one'
    copy.edges = copy.edges.filter((e) => e.type !== body.type || (!single && e.target !== target))
    copy.edges.push({ type: body.type as string, target, props })
  }

  #computed(copy: Working, at: bigint): void {
    const properties = this.#entity.properties ?? {}
    const done = new Set<string>()
    const compute = (name: string): void => {
      const expression = properties[name]?.compute
      if (expression === undefined || done.has(name)) return
      done.add(name)
      for (const match of expression.matchAll(/\bentity\.(\w+)/g)) compute(match[1] as string)
      this.#write(
        copy,
        name,
        this.#named(name, () => evaluate(expression, this.#scope(copy, null, at))),
      )
    }
    for (const name of Object.keys(properties)) compute(name)
  }

  #named(field: string, work: () => V): V {
    try {
      return work()
    } catch (error) {
      throw error instanceof Failure ? new Failure(error.message, field) : error
    }
  }

  #scope(copy: Working, event: OracleEvent | null, at: bigint): Scope {
    const builtIn: Record<string, V> = {
      state: copy.state,
      created_time: new Time(copy.created),
      state_entered_time: new Time(copy.entered),
      last_event_time: this.#last === null ? null : new Time(this.#last),
    }
    const ofEvent: Record<string, V> = event
      ? { timestamp: event.timestamp, event_type: event.type, event_id: event.eventId, source: event.source }
      : {}
    const entity = (name: string): V => {
      if (copy.state === null) return null
      return copy.props.has(name) ? (copy.props.get(name) as V) : (builtIn[name] ?? null)
    }
    const read = (name: string): V => (event?.data.has(name) ? (event.data.get(name) as V) : (ofEvent[name] ?? null))
    return { event: read, entity, now: new Time(at) }
  }

  /** Time rules up to `to` (03 §10). */
  advance(to: bigint): void {
    while (this.#work.state !== null) {
      const due = this.#rules()
        .map((rule, index) => ({ rule, index, crossing: this.#crossing(rule) }))
        .filter(({ rule, index }) => !this.#work.fired.has(index) && to - this.#reference(rule) > thresholdOf(rule))
        .sort((a, b) => (a.crossing === b.crossing ? a.index - b.index : a.crossing < b.crossing ? -1 : 1))[0]
      if (!due) return
      this.#fire(due.rule, due.index, due.crossing)
    }
  }

  #fire(rule: RuleDef, index: number, at: bigint): void {
    this.#work.fired.add(index)
    const copy = this.#copy()
    try {
      for (const effect of rule.effects) this.#effect(copy, effect, null, at)
      this.#computed(copy, at)
    } catch (error) {
      this.#failed(error, null)
      return
    }
    const before = this.#work
    const changed = this.#changed(copy)
    this.#work = copy
    if (changed) this.#snapshot(before, copy, at)
  }

  #rules(): RuleDef[] {
    return this.#entity.states[this.#work.state as string]?.after ?? []
  }

  #reference(rule: RuleDef): bigint {
    if (rule.type === 'expiration') return this.#work.created
    if (rule.type === 'state_duration') return this.#work.entered
    return later(this.#last as bigint, this.#work.entered)
  }

  #crossing(rule: RuleDef): bigint {
    return later(this.#reference(rule) + thresholdOf(rule), this.#work.entered)
  }

  #rearm(type: string, work = this.#work): void {
    if (work.state === null) return
    for (const [index, rule] of (this.#entity.states[work.state]?.after ?? []).entries()) {
      if (rule.type === type) work.fired.delete(index)
    }
  }

  #copy(): Working {
    const { props, edges, fired } = this.#work
    return { ...this.#work, props: new Map(props), edges: [...edges], fired: new Set(fired), transitioned: false }
  }

  #changed(copy: Working): boolean {
    const before = this.#work
    if (before.state === null && copy.state === null) return false
    if (before.state === null || copy.transitioned) return true
    if ([...copy.props].some(([name, value]) => !same(value, before.props.get(name) ?? null))) return true
    return edgeTexts(before).join() !== edgeTexts(copy).join()
  }

  #snapshot(before: Working, copy: Working, at: bigint): void {
    const row: Row = {
      state: copy.state as string,
      props: copy.props,
      from: at,
      to: null,
      last: this.#last as bigint,
      entered: copy.entered,
      created: copy.created,
    }
    const open = this.rows.at(-1)
    if (open?.from === at) this.rows.pop()
    else if (open) open.to = at
    this.rows.push(row)

    for (const edge of before.edges) if (!edgeTexts(copy).includes(edgeText(edge))) this.#endEdge(edge, at)
    for (const edge of copy.edges) {
      if (!edgeTexts(before).includes(edgeText(edge))) this.edgeRows.push({ ...edge, from: at, to: null })
    }
  }

  #endEdge(edge: Edge, at: bigint): void {
    const index = this.edgeRows.findIndex((row) => row.to === null && edgeText(row) === edgeText(edge))
    if ((this.edgeRows[index] as EdgeRow).from === at) this.edgeRows.splice(index, 1)
    else (this.edgeRows[index] as EdgeRow).to = at
  }

  #failed(error: unknown, sequence: number | null): void {
    if (!(error instanceof Failure)) throw error
    this.failures.push({ key: this.#key, field: error.field, sequence })
  }
}

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

function creates(handler: HandlerDef): boolean {
  return handler.effects.some((effect) => effectOf(effect)[0] === 'create')
}

function thresholdOf(rule: RuleDef): bigint {
  const text = rule.threshold.trim()
  return BigInt(text.slice(0, -1)) * (UNITS[text.slice(-1)] as bigint)
}

function edgeText(edge: Edge): string {
  const props = [...edge.props].map(([name, value]) => [name, value instanceof Time ? `t${value.us}` : String(value)])
  return JSON.stringify([edge.type, edge.target, props])
}
const edgeTexts = (work: Working): string[] => work.edges.map(edgeText).sort()
