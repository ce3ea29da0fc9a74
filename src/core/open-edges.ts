/** The open edges of one entity while it is worked on: adding one costs the same whether there are ten or a million. */
import { equal } from './expression/equality.ts'
import { getOwn } from './raw-path.ts'
import type { Edge, EdgeChange } from './snapshot.ts'
import type { Value } from './value.ts'

export class OpenEdges {
  /** By type, then by target; insertion order is the order of the edges. */
  readonly #byType = new Map<string, Map<string, Edge>>()
  /** What to put back if the unit in progress is given up: the newest last. */
  #undo: { readonly edge: Edge; readonly before: Edge | undefined }[] = []

  constructor(edges: readonly Edge[]) {
    for (const edge of edges) this.#targets(edge.type).set(edge.targetId, edge)
  }

  begin(): void {
    if (this.#undo.length > 0) this.#undo = []
  }

  rollback(): void {
    for (const { edge, before } of this.#undo.reverse()) {
      const targets = this.#targets(edge.type)
      if (before === undefined) targets.delete(edge.targetId)
      else targets.set(edge.targetId, before)
    }
    this.#undo = []
  }

  /** Adds or changes the edge; `single`: the others of its type end. The changes that this is, none for an equal edge. */
  add(edge: Edge, single: boolean): EdgeChange[] {
    const targets = this.#targets(edge.type)
    const before = targets.get(edge.targetId)
    if (before !== undefined && sameProperties(before, edge)) return []
    const changes: EdgeChange[] = []
    if (single) {
      for (const other of [...targets.values()]) {
        if (other.targetId === edge.targetId) continue
        targets.delete(other.targetId)
        this.#undo.push({ edge: other, before: other })
        changes.push({ ...other, ended: true })
      }
    }
    this.#undo.push({ edge, before })
    targets.set(edge.targetId, edge)
    changes.push({ ...edge, ended: false })
    return changes
  }

  list(): Edge[] {
    const edges: Edge[] = []
    for (const targets of this.#byType.values()) edges.push(...targets.values())
    return edges
  }

  #targets(type: string): Map<string, Edge> {
    let targets = this.#byType.get(type)
    if (targets === undefined) {
      targets = new Map()
      this.#byType.set(type, targets)
    }
    return targets
  }
}

function sameProperties(a: Edge, b: Edge): boolean {
  for (const name of Object.keys(b.properties)) {
    if (!equal(getOwn(a.properties, name), b.properties[name] as Value)) return false
  }
  return true
}
