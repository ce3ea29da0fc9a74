/** The protocol of ledger, identity and builds as a model for the explorer (`docs/protocol/README.md`). */
import { applyCommit, applyRead, chunkCommit, chunkRead, tick } from './chunk-actions.ts'
import type { Model } from './explorer.ts'
import { fullBuild, reset } from './full-actions.ts'
import { INVARIANTS, LIVENESS, STEP_INVARIANTS } from './invariants.ts'
import { abandon, actor, crash, fenced, passBegin, passEnd } from './pass-actions.ts'
import {
  appendBegin,
  appendEnd,
  cacheUpdate,
  erase,
  mapBegin,
  mapCommit,
  mergeAsk,
  mergeCommit,
  type Steps,
  setText,
} from './shared-actions.ts'
import { COMMITTED, type Configuration, GAP, initialState, keyOf, type State } from './state.ts'

export function protocol(configuration: Configuration): Model<State> {
  return {
    initial: initialState(configuration),
    steps: (state) => stepsFrom(state, configuration),
    key: keyOf,
    broken: (state) => failing(INVARIANTS, (holds) => holds(state, configuration)),
    brokenBy: (before, after) => failing(STEP_INVARIANTS, (holds) => holds(before, after)),
    unfinished: (state) => failing(LIVENESS, (holds) => holds(state, configuration)),
    describe,
  }
}

function failing<F>(claims: Readonly<Record<string, F>>, holds: (claim: F) => boolean): string[] {
  const names: string[] = []
  for (const name in claims) if (!holds(claims[name] as F)) names.push(name)
  return names
}

function stepsFrom(state: State, configuration: Configuration): Steps {
  const steps: Steps = []
  appendBegin(state, configuration, steps)
  appendEnd(state, configuration, steps)
  for (let index = 1; index <= state.processes.length; index++) {
    crash(state, configuration, index, steps)
    processSteps(state, configuration, index, steps)
  }
  return steps
}

function processSteps(state: State, configuration: Configuration, index: number, steps: Steps): void {
  const me = actor(state, configuration, index)
  const { pass, job } = me.process
  if (pass === null && job === null) {
    passBegin(state, configuration, index, steps)
    mergeAsk(state, configuration, index, steps)
    erase(state, configuration, index, steps)
  }
  mergeCommit(state, configuration, index, steps)
  cacheUpdate(state, configuration, index, steps)
  mapCommit(state, configuration, index, steps)
  chunkCommit(state, configuration, me, steps)
  applyCommit(state, me, steps)
  if (pass === null) return
  abandon(state, configuration, me, steps)
  reset(state, configuration, me, steps)
  passEnd(state, configuration, me, steps)
  // Every transaction reads the fence first.
  if (job !== null || fenced(state, configuration, me)) return
  if (pass.drop === 0) mapBegin(state, configuration, index, steps)
  fullBuild(state, configuration, me, steps)
  applyRead(state, configuration, me, steps)
  chunkRead(state, configuration, me, steps)
  tick(state, me, steps)
}

/** One line: ledger, identity, feed, shards. */
function describe(state: State): string {
  const by = (writer: number): string => (writer === COMMITTED ? '' : writer === GAP ? '!' : '?')
  const log = state.log.map((entry) => `${setText(entry.hints)}${by(entry.by)}→${entry.entity}`).join(' ')
  const kinds = ['', 'm', 'e', 'reset']
  const feed = state.feed.map(({ kind, id, into }) => `${kinds[kind]}${id || ''}${into ? `>${into}` : ''}`).join(' ')
  const bags = (list: readonly number[]): string => list.map((bag) => bag.toString(4)).join(',')
  const shards = state.shards.map(({ cursor, changeCursor, bags: stored, shadow, slot }) => {
    const beside = shadow === null ? '' : ` shadow ≤${shadow.upTo} ~${shadow.changeCursor} [${bags(shadow.bags)}]`
    return `≤${cursor} ~${changeCursor} [${bags(stored)}]${beside}${slot.holder ? ` p${slot.holder}` : ''}`
  })
  return `log ${log || '-'} | ids ${state.idOf.join('')} ≤${state.mappedUpto} | feed ${feed || '-'} | ${shards.join(' | ')}`
}
