/** Searches level by level (spec 06 §9.2): each level is one call for all entities of the level before. */
import { compareText } from '../../core/expression/code-points.ts'

/** An edge from an entity that was asked for to what is at its other end. */
export type Step = readonly [from: string, to: string]
/** Every step from one of the ids. */
export type Steps = (ids: readonly string[]) => Promise<readonly Step[]>

/** Everything within `depth` steps, each entity once: the levels, the start's own first, ids ascending. */
export async function levels(start: string, depth: number, steps: Steps): Promise<string[][]> {
  const found: string[][] = []
  const seen = new Set([start])
  let level = [start]
  while (level.length > 0) {
    found.push(level)
    if (found.length > depth) break
    const next: string[] = []
    for (const [, id] of await steps(level)) {
      if (seen.has(id)) continue
      seen.add(id)
      next.push(id)
    }
    level = next.sort(compareText)
  }
  return found
}

/** One end of a search from both ends. */
interface Side {
  /** Entities at the current distance. Of the side that starts: in the order of the best lists of ids that lead there. */
  level: string[]
  /** The step before on the best way, by entity; its own id at the end itself. */
  readonly before: Map<string, string>
}

/**
 * A shortest path, of several the one whose list of ids is the smallest, id by id; empty if there is none of at most
 * `maxDepth` steps. Steps lead both ways, so that the search can grow from the end with fewer entities.
 *
 * Whole levels are known on both sides, so every shortest path crosses where the levels first meet. Up to there the best
 * way is the first in the order of the starting side; from there on, each time the smallest next id.
 */
export async function shortestPath(from: string, to: string, maxDepth: number, steps: Steps): Promise<string[]> {
  const start: Side = { level: [from], before: new Map([[from, from]]) }
  const end: Side = { level: [to], before: new Map([[to, to]]) }
  for (let length = 0; ; length++) {
    const ending = new Set(end.level)
    const meeting = start.level.find((id) => ending.has(id))
    if (meeting !== undefined) return [...wayFrom(meeting, start).reverse(), ...wayFrom(meeting, end).slice(1)]
    if (length === maxDepth) return []
    const fromStart = start.level.length <= end.level.length
    const side = fromStart ? start : end
    await grow(side, steps, fromStart)
    if (side.level.length === 0) return []
  }
}

async function grow(side: Side, steps: Steps, ranked: boolean): Promise<void> {
  // A step before is better the earlier it stands here.
  const ranks = new Map(ranked ? side.level.map((id, rank) => [id, rank]) : [])
  const compare = (a: string, b: string): number =>
    ranked ? (ranks.get(a) as number) - (ranks.get(b) as number) : compareText(a, b)
  const found = new Map<string, string>()
  for (const [from, to] of await steps(side.level)) {
    if (side.before.has(to)) continue
    const best = found.get(to)
    if (best === undefined || compare(from, best) < 0) found.set(to, from)
  }
  const next = [...found]
  if (ranked) next.sort(([a, beforeA], [b, beforeB]) => compare(beforeA, beforeB) || compareText(a, b))
  for (const [id, before] of next) side.before.set(id, before)
  side.level = next.map(([id]) => id)
}

/** From the entity back to the end it was found from. */
function wayFrom(id: string, { before }: Side): string[] {
  const way = [id]
  for (let at = id, next = before.get(at); next !== undefined && next !== at; next = before.get(at)) {
    way.push(next)
    at = next
  }
  return way
}
