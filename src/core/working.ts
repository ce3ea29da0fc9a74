/**
 * One entity while a fold works on it. Every unit (an event, a firing of a time rule) begins, runs effects and is then
 * committed or rolled back as a whole (spec 03 §9, §11). Properties are copied on the first write of a unit, so that
 * snapshots can keep the objects of earlier ones.
 */
import { conform, isRedacted, leftIn, type ValueRule, Violation } from './coerce.ts'
import type { Compiled } from './expression/compile.ts'
import type { EntityView, EvalContext } from './expression/context.ts'
import { equal } from './expression/equality.ts'
import { Fault } from './fault.ts'
import { Instant } from './instant.ts'
import { OpenEdges } from './open-edges.ts'
import type { CompiledEntity, CompiledProperty, CompiledState } from './program/types.ts'
import { setOwn } from './raw-path.ts'
import type {
  Cause,
  Change,
  Edge,
  EdgeChange,
  EntityState,
  FoldFailure,
  FoldOptions,
  FoldResult,
  Snapshot,
} from './snapshot.ts'
import type { Value } from './value.ts'

type Properties = Readonly<Record<string, Value>>

/** Before the first unit; no expression sees it. */
const EPOCH = new Instant(0)
const NO_EDGES: readonly EdgeChange[] = []
const NO_RULES: readonly number[] = []

export class Working implements EntityView {
  readonly entity: CompiledEntity
  readonly options: FoldOptions
  readonly id: string
  current: CompiledState | null
  state: string | null
  properties: Properties
  createdTime: Instant | null
  stateEnteredTime: Instant | null
  lastEventTime: Instant | null
  lastFiring: Instant | null
  lastSnapshot: Instant | null
  fired: readonly number[]

  /** What is being worked on, for the failure of a unit. */
  field: string | null = null
  readonly context: EvalContext
  readonly changes: Change[] = []
  readonly failures: FoldFailure[] = []
  effects = 0
  transitions = 0

  readonly #start: EntityState
  // What the unit in progress did, and what to go back to.
  #copied = false
  #entered = false
  /** Made when the first effect relates. */
  #edges: OpenEdges | null = null
  #edgeChanges = NO_EDGES
  #applied = 0
  #moved = 0
  #before: {
    current: CompiledState | null
    properties: Properties
    createdTime: Instant | null
    stateEnteredTime: Instant | null
    fired: readonly number[]
  }

  constructor(entity: CompiledEntity, state: EntityState, options: FoldOptions) {
    this.entity = entity
    this.options = options
    this.id = state.id
    this.state = state.state
    this.current = state.state === null ? null : (entity.states.get(state.state) ?? null)
    if (state.state !== null && this.current === null) {
      throw new Error(`entity type '${entity.type}' has no state '${state.state}'; its state needs a full build`)
    }
    this.properties = state.properties
    this.createdTime = state.createdTime
    this.stateEnteredTime = state.stateEnteredTime
    this.lastEventTime = state.lastEventTime
    this.lastFiring = state.lastFiring
    this.lastSnapshot = state.lastSnapshot
    this.fired = state.fired
    this.context = { raw: null, event: null, entity: this.current === null ? null : this, value: null, now: EPOCH }
    this.#start = state
    this.#before = this.#saved()
  }

  #saved() {
    const { current, properties, createdTime, stateEnteredTime, fired } = this
    return { current, properties, createdTime, stateEnteredTime, fired }
  }

  // ── units ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a unit; expressions see `event`'s time or, for a time rule, the crossing time. */
  begin(now: Instant): void {
    this.#before = this.#saved()
    this.#copied = false
    this.#entered = false
    this.#edges?.begin()
    this.#edgeChanges = NO_EDGES
    this.#applied = 0
    this.#moved = 0
    this.field = null
    this.context.now = this.entity.wallClock ? (this.options.wall ?? now) : now
  }

  /** Gives the unit up: everything is as it was at `begin`. */
  rollback(failure: FoldFailure): void {
    this.#enterState(this.#before.current)
    this.properties = this.#before.properties
    this.createdTime = this.#before.createdTime
    this.stateEnteredTime = this.#before.stateEnteredTime
    this.fired = this.#before.fired
    this.#edges?.rollback()
    this.failures.push(failure)
  }

  /**
   * Ends the unit: computed properties, comparison, and a snapshot if anything changed (spec 03 §9 steps 4–6). Returns
   * whether it did. Throws like an effect if a computed property fails.
   */
  commit(cause: Cause, at: Instant, lastEventTime: Instant): boolean {
    if (this.#applied > 0) this.#compute()
    this.effects += this.#applied
    this.transitions += this.#moved
    if (!this.#changed()) return false
    const snapshot: Snapshot = {
      entityId: this.id,
      entityType: this.entity.type,
      state: this.state as string,
      properties: this.properties,
      relationships: this.#edgeChanges,
      lastEventTime,
      stateEnteredTime: this.stateEnteredTime as Instant,
      createdTime: this.createdTime as Instant,
      validFrom: at,
    }
    this.changes.push({
      cause,
      stateBefore: this.#before.current?.name ?? null,
      snapshot,
      lastEventBefore: this.lastEventTime,
    })
    this.lastSnapshot = at
    return true
  }

  /** Whether the unit in progress created the entity or ran a transition. */
  get moved(): boolean {
    return this.#entered
  }

  #compute(): void {
    if (this.state === null) return
    const { computed } = this.entity
    const { event } = this.context
    // A property's `compute` sees the entity alone (spec 02 §1).
    this.context.event = null
    for (let i = 0; i < computed.length; i++) {
      const property = computed[i] as CompiledProperty
      this.field = property.name
      this.put(property.name, this.conformed(this.#computed(property), property.name, property.rule))
    }
    this.field = null
    this.context.event = event
  }

  /** What cannot be computed from what a treatment left is null. */
  #computed({ compute, inputs }: CompiledProperty): Value {
    if (compute === null) return null
    try {
      return compute(this.context)
    } catch (error) {
      if (inputs.some((name) => isLeft(this.properties[name]))) return null
      throw error
    }
  }

  #changed(): boolean {
    if (this.#entered || this.#edgeChanges !== NO_EDGES) return true
    if (!this.#copied) return false
    const before = this.#before.properties
    const { properties } = this.entity
    for (let i = 0; i < properties.length; i++) {
      const { name } = properties[i] as CompiledProperty
      const was = before[name] as Value
      const is = this.properties[name] as Value
      if (was !== is && !equal(was, is)) return true
    }
    return false
  }

  // ── what effects do ────────────────────────────────────────────────────────────────────────────────────────────

  applied(): void {
    this.#applied += 1
  }

  create(at: Instant): void {
    this.#enterState(this.entity.starts)
    this.properties = this.entity.initial
    this.createdTime = at
    this.stateEnteredTime = at
    this.fired = NO_RULES
    this.#entered = true
    this.#copied = false
  }

  /** Rules that fired in this stay may fire again in the next; `expiration` counts from creation and may not. */
  transition(to: CompiledState, at: Instant): void {
    if (to === this.current) this.#rearm(isExpiration)
    else this.fired = NO_RULES
    this.#enterState(to)
    this.stateEnteredTime = at
    this.#entered = true
    this.#moved += 1
  }

  put(name: string, value: Value): void {
    if (!this.#copied) {
      this.properties = { ...this.properties }
      this.#copied = true
    }
    setOwn(this.properties as Record<string, Value>, name, value)
  }

  /** Adds or changes an edge; `single`: it takes the place of the others of its type. */
  relate(edge: Edge, single: boolean): void {
    this.#edges ??= new OpenEdges(this.#start.edges)
    const changes = this.#edges.add(edge, single)
    if (changes.length === 0) return
    this.#edgeChanges = this.#edgeChanges === NO_EDGES ? changes : [...this.#edgeChanges, ...changes]
  }

  /** What an effect reads; null if it can make nothing of what a treatment left of the event (spec 05 §5.2). */
  valueOf(read: Compiled): Value {
    try {
      return read(this.context)
    } catch (error) {
      if (this.context.event?.treated !== undefined) return null
      throw error
    }
  }

  /**
   * The value as the property (or edge property) holds it; a violation is the unit's fault (spec 03 §5), unless the value is
   * what a treatment left.
   */
  conformed(value: Value, name: string, rule: ValueRule): Value {
    const result = conform(value, rule)
    if (!(result instanceof Violation)) return result
    if (isLeft(value) && this.#isTreated()) return leftIn(rule, value)
    throw new Fault(result.message, name)
  }

  #isTreated(): boolean {
    return this.context.event?.treated !== undefined || Object.values(this.properties).some(isLeft)
  }

  /** An event counts as activity, whatever became of it (spec 03 §8). */
  attend(at: Instant): void {
    this.lastEventTime = at
    if (this.fired.length > 0) this.#rearm(isNoInactivity)
  }

  #rearm(keep: (type: string) => boolean): void {
    const rules = this.current?.rules ?? []
    this.fired = this.fired.filter((index) => keep(rules[index]?.type ?? ''))
  }

  #enterState(state: CompiledState | null): void {
    this.current = state
    this.state = state === null ? null : state.name
    this.context.entity = state === null ? null : this
  }

  // ── result ─────────────────────────────────────────────────────────────────────────────────────────────────────

  result(): FoldResult {
    const { id, state, properties, createdTime, stateEnteredTime, lastEventTime, lastFiring, lastSnapshot } = this
    return {
      state: {
        id,
        type: this.entity.type,
        state,
        properties,
        createdTime,
        stateEnteredTime,
        lastEventTime,
        lastFiring,
        lastSnapshot,
        fired: this.fired,
        edges: this.#edges === null ? this.#start.edges : this.#edges.list(),
      },
      changes: this.changes,
      failures: this.failures,
      effects: this.effects,
      transitions: this.transitions,
      created: this.#start.state === null && state !== null,
      touched: lastEventTime !== this.#start.lastEventTime,
    }
  }
}

function isLeft(value: Value | undefined): value is string {
  return typeof value === 'string' && isRedacted(value)
}

const isExpiration = (type: string): boolean => type === 'expiration'
const isNoInactivity = (type: string): boolean => type !== 'inactivity'
