/** E06, E08, E16, E20–E22, W01, W12: the state machine of an entity (spec 01 §2.3–2.6). */
import { parseDurationText } from '../instant.ts'
import { didYouMean } from '../spelling.ts'
import type { Check } from './check.ts'
import type { EntityDef } from './model.ts'
import type { Path } from './path.ts'
import { type Block, blocksOf, entries, targetsOf } from './visit.ts'

export function checkMachines(check: Check): void {
  for (const [name, entity] of entries(check.definitions.entities)) {
    const blocks = blocksOf(name, entity)
    for (const block of blocks) checkBlock(check, entity, block)
    checkShape(check, name, entity, blocks)
  }
}

/** E06 unless the text is a duration above zero. */
function checkDuration(check: Check, path: Path, text: string): void {
  const duration = parseDurationText(text)
  if (duration !== null && duration.ms > 0) return
  const expected = "expected a number above zero and one of d, h, m, s, as in '30d'"
  check.issues.add('E06', path, `invalid duration '${text}': ${expected}`)
}

function checkBlock(check: Check, entity: EntityDef, block: Block): void {
  const threshold = block.rule?.threshold
  if (threshold !== undefined) checkDuration(check, [...block.path, 'threshold'], threshold)
  for (const effect of block.effects) {
    if (effect.kind !== 'transition' || effect.body.to === undefined) continue
    const { to } = effect.body
    const known = Object.keys(entity.states ?? {})
    if (known.includes(to) || known.length === 0) continue
    check.issues.add('E16', [...effect.path, 'to'], `transition target '${to}' is not a state${didYouMean(to, known)}`)
  }
  const create = block.effects.findIndex((effect) => effect.kind === 'create')
  if (create > 0) {
    const { kind, path } = block.effects[0]!
    check.issues.add(
      'E21',
      path,
      `effect '${kind}' stands before 'create': nothing can happen to an entity that is not there`,
    )
  }
}

function checkShape(check: Check, name: string, entity: EntityDef, blocks: readonly Block[]): void {
  const path: Path = ['entities', name]
  const { starts, states } = entity
  if (starts === undefined || states === undefined) return
  const known = Object.keys(states)
  if (known.length === 0) return
  if (!Object.hasOwn(states, starts)) {
    check.issues.add('E08', [...path, 'starts'], `starts state '${starts}' is not a state${didYouMean(starts, known)}`)
    return
  }
  // What reading had to leave out could be the very transition that is missed here.
  if (check.damaged([...path, 'states']) || check.damaged([...path, 'always'])) return
  const creating = blocks.some(
    (b) => (b.state === starts || b.state === null) && b.effects.some((effect) => effect.kind === 'create'),
  )
  if (!creating) {
    const message = `starts state '${starts}' has no handler with a 'create' effect: the entity can never come to be`
    check.issues.add('E20', [...path, 'states', starts], message)
  }
  const reachable = reachableStates(starts, blocks)
  for (const state of known) {
    const here = [...path, 'states', state]
    if (!reachable.has(state)) {
      check.issues.add('E22', here, `unreachable: no transition leads here from '${starts}'`, 'key')
    } else if (state !== starts && isDeadEnd(state, blocks)) {
      check.issues.add('W01', here, "dead end: no handler, time rule or transition of 'always' leads out", 'key')
    }
  }
  checkRestless(check, path, known, blocks)
}

function reachableStates(starts: string, blocks: readonly Block[]): Set<string> {
  const reached = new Set([starts])
  const queue = [starts]
  for (const block of blocks) if (block.state === null) queue.push(...targetsOf(block))
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    reached.add(state)
    for (const block of blocks) {
      if (block.state === state) queue.push(...targetsOf(block).filter((to) => !reached.has(to)))
    }
  }
  return reached
}

function isDeadEnd(state: string, blocks: readonly Block[]): boolean {
  return !blocks.some(
    (block) => block.state === state || (block.state === null && targetsOf(block).some((to) => to !== state)),
  )
}

/** W12: going round by time rules alone. */
function checkRestless(check: Check, path: Path, states: readonly string[], blocks: readonly Block[]): void {
  const next = new Map<string, Set<string>>(states.map((state) => [state, new Set()]))
  for (const block of blocks) {
    if (block.rule === null || block.state === null) continue
    for (const to of targetsOf(block)) {
      // An expiration fires once per stay, so re-entering its own state brings it to rest.
      if (to !== block.state || block.rule.type !== 'expiration') next.get(block.state)?.add(to)
    }
  }
  const reported = new Set<string>()
  for (const state of states) {
    if (reported.has(state)) continue
    const round = wayBack(state, next)
    if (round === null) continue
    for (const member of round) reported.add(member)
    const way = [...round, state].map((s) => `'${s}'`).join(' → ')
    check.issues.add('W12', [...path, 'states', state, 'after'], `time rules alone lead round for ever: ${way}`, 'key')
  }
}

/** A shortest way from a state back to itself, beginning with it; null if there is none. */
function wayBack(start: string, next: ReadonlyMap<string, ReadonlySet<string>>): string[] | null {
  const ways: string[][] = [[start]]
  const seen = new Set<string>()
  for (let i = 0; i < ways.length; i++) {
    const way = ways[i]!
    for (const to of next.get(way.at(-1)!) ?? []) {
      if (to === start) return way
      if (seen.has(to)) continue
      seen.add(to)
      ways.push([...way, to])
    }
  }
  return null
}
