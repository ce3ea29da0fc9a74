/** Which events belong to one entity: union-find over hints (spec 04 §3.4). Pure. */
import type { Hints, LedgerEvent } from './event.ts'
import type { EvalContext } from './expression/context.ts'
import { Fault } from './fault.ts'
import { hintOf } from './hints.ts'
import type { CompiledRelate, Program } from './program/types.ts'
import { getOwn, setOwn } from './raw-path.ts'
import { Forest } from './union-find.ts'

/** Hints that name one target of a `relate` effect: joined with each other, never with the event's own. */
export interface HintGroup {
  readonly entityType: string
  readonly hints: Readonly<Record<string, string>>
}
export interface HintedEvent {
  readonly sequence: number
  readonly hints: Hints
  readonly groups: readonly HintGroup[]
}
/** One row of the identity table. */
export interface IdentityRow {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
  readonly entityId: string
}
export interface Merge {
  readonly entityType: string
  readonly from: string
  readonly into: string
}
export interface Resolution {
  /** One per (event, entity type), with the final id. */
  readonly mappings: { sequence: number; entityId: string; entityType: string }[]
  /** Hints not known before. */
  readonly inserts: IdentityRow[]
  /** One per losing id, straight to the winner. */
  readonly merges: Merge[]
  /** Events without any hint. */
  readonly unresolved: number
}

/** The lookup key of a hint (spec 04 §3.1) as one text. */
export function hintKey(entityType: string, hintType: string, value: string): string {
  return `${entityType}\u0000${hintType}\u0000${value}`
}

/**
 * Targets of the relate effects that could run for this event: of every handler of its type, in whatever state, of the
 * entity types it has hints for. A target named by the event's own hints is a group, too. Fields that `normalize`
 * cannot take are left out; the effect fails when it runs.
 */
export function relateGroups(program: Program, event: LedgerEvent, hints: Hints): HintGroup[] {
  const groups: HintGroup[] = []
  for (const entityType of Object.keys(hints)) {
    for (const relate of program.entities.get(entityType)?.relates.get(event.eventType) ?? []) {
      const own = relate.fields === null ? getOwn(hints, relate.target) : targetHints(event, relate)
      if (own !== null) groups.push({ entityType: relate.target, hints: own })
    }
  }
  return groups
}

function targetHints(event: LedgerEvent, relate: CompiledRelate): Record<string, string> | null {
  const context: EvalContext = { raw: null, event: null, entity: null, value: null, now: event.timestamp }
  let hints: Record<string, string> | null = null
  for (const identity of relate.fields ?? []) {
    try {
      const hint = hintOf(identity, relate.target, event, context)
      if (hint === null) continue
      hints ??= {}
      setOwn(hints, identity.field, hint)
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown
    }
  }
  return hints
}

/**
 * Resolves one batch against the ids already known (`hintKey` → id). Hints of one event and type belong together, and
 * so do hints with one known id; the smallest known id of a component wins. `newId` is called once per new entity.
 */
export function resolveBatch(
  events: readonly HintedEvent[],
  known: ReadonlyMap<string, string>,
  newId: () => string,
): Resolution {
  const batch = new Batch(known)
  const members: { sequence: number; entityType: string; node: number }[] = []
  let unresolved = 0
  for (const { sequence, hints, groups } of events) {
    let hinted = false
    for (const entityType of Object.keys(hints)) {
      const node = batch.join(entityType, hints[entityType] ?? {})
      if (node < 0) continue
      hinted = true
      members.push({ sequence, entityType, node })
    }
    if (!hinted) unresolved += 1
    for (const group of groups) batch.join(group.entityType, group.hints)
  }
  const merges = batch.name(newId)
  return {
    mappings: members.map(({ sequence, entityType, node }) => ({ sequence, entityId: batch.idOf(node), entityType })),
    inserts: batch.fresh.map(({ entityType, hintType, value, node }) => ({
      entityType,
      hintType,
      value,
      entityId: batch.idOf(node),
    })),
    merges,
    unresolved,
  }
}

/** Hints of one batch and the known ids they lead to, as nodes of one forest. */
class Batch {
  readonly fresh: { entityType: string; hintType: string; value: string; node: number }[] = []
  readonly #known: ReadonlyMap<string, string>
  readonly #forest = new Forest()
  readonly #nodes = new Map<string, number>()
  /** Node of each known id, in order of appearance. */
  readonly #knownIds = new Map<string, { entityType: string; id: string; node: number }>()
  /** Final id of each component, by root. */
  readonly #ids = new Map<number, string>()

  constructor(known: ReadonlyMap<string, string>) {
    this.#known = known
  }

  /** Joins these hints and returns one of their nodes; −1 if there are none. */
  join(entityType: string, hints: Readonly<Record<string, string>>): number {
    let first = -1
    for (const hintType of Object.keys(hints)) {
      const node = this.#node(entityType, hintType, hints[hintType] as string)
      if (first < 0) first = node
      else this.#forest.union(first, node)
    }
    return first
  }

  #node(entityType: string, hintType: string, value: string): number {
    const key = hintKey(entityType, hintType, value)
    const existing = this.#nodes.get(key)
    if (existing !== undefined) return existing
    const id = this.#known.get(key)
    let node: number
    if (id === undefined) {
      node = this.#forest.add()
      this.fresh.push({ entityType, hintType, value, node })
    } else {
      const idKey = `${entityType}\u0000${id}`
      node = this.#knownIds.get(idKey)?.node ?? this.#forest.add()
      if (!this.#knownIds.has(idKey)) this.#knownIds.set(idKey, { entityType, id, node })
    }
    this.#nodes.set(key, node)
    return node
  }

  /** Gives every component its id and returns the merges this means. */
  name(newId: () => string): Merge[] {
    for (const { id, node } of this.#knownIds.values()) {
      const root = this.#forest.find(node)
      const winner = this.#ids.get(root)
      if (winner === undefined || id < winner) this.#ids.set(root, id)
    }
    for (const { node } of this.fresh) {
      const root = this.#forest.find(node)
      if (!this.#ids.has(root)) this.#ids.set(root, newId())
    }
    const merges: Merge[] = []
    for (const { entityType, id, node } of this.#knownIds.values()) {
      const into = this.idOf(node)
      if (into !== id) merges.push({ entityType, from: id, into })
    }
    return merges
  }

  idOf(node: number): string {
    return this.#ids.get(this.#forest.find(node)) as string
  }
}
