/**
 * Visits every reachable state of a model, breadth first, and says what is wrong with the first state that breaks a
 * claim, with a shortest way there. Nothing is sampled and nothing is cut off: a model that is too large is an error.
 */

export interface Step<S> {
  /** Name and arguments; unique among the steps of one state. */
  readonly action: string
  /** Whether the system takes the step on its own sooner or later; the others are the environment's, and may never come. */
  readonly fair: boolean
  readonly state: S
}

export interface Model<S> {
  readonly initial: S
  steps(state: S): Step<S>[]
  /** The same text exactly for equal states. */
  key(state: S): string
  /** Names of the invariants that the state breaks. */
  broken(state: S): string[]
  /** Names of the invariants that the step breaks. */
  brokenBy(before: S, after: S): string[]
  /** What is still to be done where no fair step is left: names of liveness claims. */
  unfinished(state: S): string[]
  describe(state: S): string
}

export interface Problem {
  /** All claims broken by the last state of the trace. */
  readonly broken: readonly string[]
  readonly trace: string
}

export interface Report {
  readonly states: number
  readonly transitions: number
  /** States on the way to the farthest state, both ends included (as TLC counts). */
  readonly depth: number
  /** States where nothing is left to do. */
  readonly ends: number
  /** Names of the actions taken somewhere. */
  readonly actions: ReadonlySet<string>
  readonly problem: Problem | null
}

/** Claim that fair steps cannot go on for ever, in whatever order they are taken. */
export const COMES_TO_REST = 'ComesToRest'

/** `only`: stop at the first state that breaks this claim, and look past states that break others. */
export function explore<S>(model: Model<S>, options: { maxStates: number; only?: string }): Report {
  const ids = new Map<string, number>([[model.key(model.initial), 0]])
  const parents = [-1]
  const labels: string[] = ['']
  const actions = new Set<string>()
  const fairEdges: number[] = []
  let frontier: { id: number; state: S }[] = [{ id: 0, state: model.initial }]
  let transitions = 0
  let depth = 0
  let ends = 0

  const matters = (broken: string[]): boolean => {
    return options.only === undefined ? broken.length > 0 : broken.includes(options.only)
  }
  const report = (problem: Problem | null): Report => ({ states: ids.size, transitions, depth, ends, actions, problem })
  const found = (broken: string[], id: number, ...more: string[]): Report => {
    return report({ broken, trace: traceOf(model, [...pathTo(id, parents, labels), ...more], broken) })
  }

  const broken = model.broken(model.initial)
  if (matters(broken)) return found(broken, 0)
  for (; frontier.length > 0; depth++) {
    const next: typeof frontier = []
    for (const { id, state } of frontier) {
      let resting = true
      for (const step of model.steps(state)) {
        transitions += 1
        actions.add(step.action.split('(')[0] as string)
        const bad = model.brokenBy(state, step.state)
        const key = model.key(step.state)
        let target = ids.get(key)
        if (target === undefined) {
          target = ids.size
          if (target >= options.maxStates) throw new Error(`more than ${options.maxStates} states`)
          ids.set(key, target)
          parents.push(id)
          labels.push(step.action)
          next.push({ id: target, state: step.state })
          bad.push(...model.broken(step.state))
        }
        if (matters(bad)) return found(bad, id, step.action)
        if (step.fair) {
          resting = false
          fairEdges.push(id, target)
        }
      }
      if (!resting) continue
      ends += 1
      const unfinished = model.unfinished(state)
      if (matters(unfinished)) return found(unfinished, id)
    }
    frontier = next
  }
  const restless = options.only === undefined || options.only === COMES_TO_REST ? onCycle(ids.size, fairEdges) : -1
  return restless < 0 ? report(null) : found([COMES_TO_REST], restless)
}

/** A node on a cycle of these edges (pairs in one list); −1 if there is no cycle. */
export function onCycle(nodes: number, edges: readonly number[]): number {
  const incoming = new Int32Array(nodes)
  const start = new Int32Array(nodes + 1)
  for (let index = 0; index < edges.length; index += 2) {
    start[(edges[index] as number) + 1]! += 1
    incoming[edges[index + 1] as number]! += 1
  }
  for (let node = 0; node < nodes; node++) start[node + 1]! += start[node] as number
  const place = start.slice()
  const targets = new Int32Array(edges.length / 2)
  for (let index = 0; index < edges.length; index += 2) {
    targets[place[edges[index] as number]!++] = edges[index + 1] as number
  }
  const ready: number[] = []
  for (let node = 0; node < nodes; node++) if (incoming[node] === 0) ready.push(node)
  let done = 0
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    done += 1
    for (let index = start[node] as number; index < (start[node + 1] as number); index++) {
      const target = targets[index] as number
      incoming[target]! -= 1
      if (incoming[target] === 0) ready.push(target)
    }
  }
  if (done === nodes) return -1
  // What is left lies on a cycle or behind one; going back from it ends on a cycle.
  const seen = new Set<number>()
  let node = incoming.findIndex((count) => count > 0)
  while (!seen.has(node)) {
    seen.add(node)
    const edge = edges.findIndex((target, index) => {
      return index % 2 === 1 && target === node && (incoming[edges[index - 1] as number] as number) > 0
    })
    node = edges[edge - 1] as number
  }
  return node
}

function pathTo(id: number, parents: readonly number[], labels: readonly string[]): string[] {
  const path: string[] = []
  for (let at = id; at > 0; at = parents[at] as number) path.push(labels[at] as string)
  return path.reverse()
}

/** The way from the initial state, one line per step with the state it leads to. */
function traceOf<S>(model: Model<S>, path: readonly string[], broken: readonly string[]): string {
  let state = model.initial
  const lines = path.map((action, index) => {
    const step = model.steps(state).find((one) => one.action === action)
    if (step === undefined) throw new Error(`the trace leads nowhere at '${action}'`)
    state = step.state
    return `${String(index + 1).padStart(3)}. ${action.padEnd(28)} ${model.describe(state)}`
  })
  return [...lines, `broken: ${[...new Set(broken)].join(', ')}`].join('\n')
}
