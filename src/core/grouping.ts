/** Union-find over the hints of a whole ledger, for identity resets (spec 04 §4.4 "Stable ids"). Pure. */
import { type Directive, type DirectiveSide, type Hint, hintsOf } from './directive.ts'
import type { Hints } from './event.ts'
import { type HintGroup, hintKey, type IdentityRow, type Merge } from './identity.ts'
import { getOwn } from './raw-path.ts'
import { Forest } from './union-find.ts'

export interface Components {
  idOf(entityType: string, hintType: string, value: string): string | undefined
  /** The new identity table. */
  rows(): Iterable<IdentityRow>
  /** By which hints a side of a merge by hand is found now; none: by none of its own. */
  hintsNow(side: DirectiveSide): Hint[]
  /** Old ids that are no more, whose hints all continue in one other id. */
  readonly retired: Merge[]
}

/** Memory: one map entry and five bytes per distinct hint, one more entry per hint whose text changed. */
export class Grouping {
  readonly #forest = new Forest()
  readonly #nodes = new Map<string, number>()
  /** Nodes that an event had as a hint before, too; only they speak for an old hint of the same text. */
  #kept = new Uint8Array(1024)
  /** Old hints that events do not have any more, with the nodes of what they have now. */
  readonly #former = new Map<string, number | number[]>()
  /** Merges by hand, in order. */
  readonly #directives: Directive[] = []

  /**
   * Takes in the hints of one event. `previous` are the hints the event had before they were extracted again: they
   * tell which component an old hint belongs to now although its text has changed.
   */
  add(hints: Hints, groups: readonly HintGroup[], previous?: Hints): void {
    for (const entityType of Object.keys(hints)) {
      const own = hints[entityType] ?? {}
      const before = previous === undefined ? own : (getOwn(previous, entityType) ?? {})
      const node = this.#join(entityType, own, (hintType) => getOwn(before, hintType) === own[hintType])
      if (node >= 0 && previous !== undefined) this.#follow(entityType, before, own, node)
    }
    for (const group of groups) {
      const own = getOwn(hints, group.entityType) ?? {}
      this.#join(group.entityType, group.hints, (hintType) => getOwn(own, hintType) !== group.hints[hintType])
    }
  }

  /** Takes in a merge by hand: what its sides are by then becomes one, and goes on under the id of `into`. */
  directive(directive: Directive): void {
    this.#directives.push(directive)
  }

  /** Joins hints and returns one of their nodes, −1 without any; `keeps` tells which speak for an old hint. */
  #join(entityType: string, hints: Readonly<Record<string, string>>, keeps: (hintType: string) => boolean): number {
    let first = -1
    for (const hintType of Object.keys(hints)) {
      const node = this.#node(hintKey(entityType, hintType, hints[hintType] as string))
      if (keeps(hintType)) this.#kept[node] = 1
      if (first < 0) first = node
      else this.#forest.union(first, node)
    }
    return first
  }

  #node(key: string): number {
    let node = this.#nodes.get(key)
    if (node === undefined) {
      node = this.#forest.add()
      this.#nodes.set(key, node)
      if (node === this.#kept.length) {
        const larger = new Uint8Array(this.#kept.length * 2)
        larger.set(this.#kept)
        this.#kept = larger
      }
    }
    return node
  }

  /** Notes where the hints that the event lost have gone. */
  #follow(
    entityType: string,
    before: Readonly<Record<string, string>>,
    own: Readonly<Record<string, string>>,
    node: number,
  ): void {
    for (const hintType of Object.keys(before)) {
      const value = before[hintType] as string
      if (getOwn(own, hintType) === value) continue
      const key = hintKey(entityType, hintType, value)
      const seen = this.#former.get(key)
      if (seen === undefined) this.#former.set(key, node)
      else if (typeof seen === 'number') {
        if (this.#forest.find(seen) !== this.#forest.find(node)) this.#former.set(key, [seen, node])
      } else if (!seen.some((one) => this.#forest.find(one) === this.#forest.find(node))) seen.push(node)
    }
  }

  /**
   * Ids for all components. One takes over the smallest old id whose hints, as far as they still occur, all fall into
   * it, of those that merges by hand led to if there are any; without such an id it gets a new one.
   */
  components(old: Iterable<IdentityRow>, newId: () => string): Components {
    const before = Array.isArray(old) ? (old as readonly IdentityRow[]) : [...old]
    const chosen = this.#direct(before)
    const homes = this.#homes(before)
    const ids = new Map<number, string>()
    for (const { id, root } of homes.values()) {
      if (root === SCATTERED) continue
      const taken = ids.get(root)
      if (taken === undefined || goesFirst(id, taken, chosen)) ids.set(root, id)
    }
    for (const node of this.#nodes.values()) {
      const root = this.#forest.find(node)
      if (!ids.has(root)) ids.set(root, newId())
    }
    const retired: Merge[] = []
    for (const { entityType, id, root } of homes.values()) {
      const into = ids.get(root)
      if (into !== undefined && into !== id) retired.push({ entityType, from: id, into })
    }
    const forest = this.#forest
    const nodes = this.#nodes
    return {
      retired,
      hintsNow: (side) => this.#hintsNow(side),
      idOf: (entityType, hintType, value) => {
        const node = nodes.get(hintKey(entityType, hintType, value))
        return node === undefined ? undefined : ids.get(forest.find(node))
      },
      *rows() {
        for (const [key, node] of nodes) yield { ...hintOfKey(key), entityId: ids.get(forest.find(node)) as string }
      },
    }
  }

  /** Makes one what merges by hand name, and returns the old ids they lead to, the latest with the greatest number. */
  #direct(old: readonly IdentityRow[]): ReadonlyMap<string, number> {
    const chosen = new Map<string, number>()
    if (this.#directives.length === 0) return chosen
    const { owned, owners } = this.#concerned(old)
    for (const [index, { from, into }] of this.#directives.entries()) {
      const losers = this.#nodesOf(from, owned)
      const [winner, ...winners] = this.#nodesOf(into, owned)
      if (winner === undefined || losers.length === 0) continue
      for (const node of [...winners, ...losers]) this.#forest.union(winner, node)
      const ids = [into.id, ...[...hintsOf(into)].map((hint) => owners.get(keyOf(hint)))]
      const id = ids.find((one) => one !== undefined && owned.has(one))
      if (id !== undefined) chosen.set(id, index)
    }
    return chosen
  }

  /** Of the old table what merges by hand name. */
  #concerned(old: readonly IdentityRow[]) {
    const sides = this.#directives.flatMap(({ from, into }) => [from, into])
    const keys = new Set(sides.flatMap((side) => [...hintsOf(side)].map(keyOf)))
    const owners = new Map<string, string>()
    for (const row of old) if (keys.has(keyOf(row))) owners.set(keyOf(row), row.entityId)
    const ids = new Set([...sides.map(({ id }) => id), ...owners.values()])
    const owned = Map.groupBy(
      old.filter(({ entityId }) => ids.has(entityId)),
      ({ entityId }) => entityId,
    )
    return { owned, owners }
  }

  /** What the hints of a side are now; where none of them occurs any more, what its id had. */
  #nodesOf(side: DirectiveSide, owned: ReadonlyMap<string, readonly IdentityRow[]>): number[] {
    const nodes = [...hintsOf(side)].flatMap((hint) => this.#nodesNow(keyOf(hint)))
    if (nodes.length > 0) return nodes
    return (owned.get(side.id) ?? []).flatMap((row) => this.#nodesNow(keyOf(row)))
  }

  #hintsNow(side: DirectiveSide): Hint[] {
    const found = new Set([...hintsOf(side)].flatMap((hint) => this.#nodesNow(keyOf(hint))))
    const hints: Hint[] = []
    if (found.size > 0) for (const [key, node] of this.#nodes) if (found.has(node)) hints.push(hintOfKey(key))
    return hints
  }

  /** Where a hint is now: under its own text, or where its events have gone. */
  #nodesNow(key: string): number[] {
    const former = this.#former.get(key)
    if (former !== undefined) return typeof former === 'number' ? [former] : former
    const node = this.#nodes.get(key)
    return node === undefined ? [] : [node]
  }

  /** For every old id with a hint that still occurs: the component all of them are in, or `SCATTERED`. */
  #homes(old: Iterable<IdentityRow>): Map<string, { entityType: string; id: string; root: number }> {
    const homes = new Map<string, { entityType: string; id: string; root: number }>()
    for (const { entityType, hintType, value, entityId } of old) {
      const root = this.#rootOf(hintKey(entityType, hintType, value))
      if (root === null) continue
      const key = `${entityType}\u0000${entityId}`
      const home = homes.get(key)
      if (home === undefined) homes.set(key, { entityType, id: entityId, root })
      else if (home.root !== root) home.root = SCATTERED
    }
    return homes
  }

  /** Where an old hint is now: null if nowhere. */
  #rootOf(key: string): number | null {
    const roots = new Set<number>()
    const node = this.#nodes.get(key)
    if (node !== undefined && this.#kept[node] === 1) roots.add(this.#forest.find(node))
    const former = this.#former.get(key) ?? []
    for (const one of typeof former === 'number' ? [former] : former) roots.add(this.#forest.find(one))
    const [root] = roots
    if (root === undefined) return null
    return roots.size === 1 ? root : SCATTERED
  }
}

const SCATTERED = -1

const keyOf = ({ entityType, hintType, value }: Omit<IdentityRow, 'entityId'>): string =>
  hintKey(entityType, hintType, value)

function hintOfKey(key: string): Hint {
  const first = key.indexOf('\u0000')
  const second = key.indexOf('\u0000', first + 1)
  return { entityType: key.slice(0, first), hintType: key.slice(first + 1, second), value: key.slice(second + 1) }
}

/** Whether an old id rather than another gives its name to both. */
function goesFirst(id: string, other: string, chosen: ReadonlyMap<string, number>): boolean {
  const [rank, otherRank] = [chosen.get(id) ?? -1, chosen.get(other) ?? -1]
  return rank === otherRank ? id < other : rank > otherRank
}
