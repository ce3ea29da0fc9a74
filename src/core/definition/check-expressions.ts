/** E05, W08, W13, cycles of E14, and the warnings that follow from what is read: W03, W06 (spec 01 §5, 02 §9). */
import type { Node } from '../expression/ast.ts'
import { checkExpression } from '../expression/check.ts'
import { ExpressionError } from '../expression/errors.ts'
import { parse } from '../expression/parse.ts'
import { reads } from '../expression/reads.ts'
import { didYouMean } from '../spelling.ts'
import type { Check } from './check.ts'
import { type ExpressionSite, expressionSites, parseValuePath } from './expressions.ts'
import type { EntityDef } from './model.ts'
import type { Path } from './path.ts'
import { blocksOf, entries } from './visit.ts'

/** Built-ins of `entity` (spec 02 §1). */
const ENTITY_BUILT_INS = ['state', 'id', 'created_time', 'state_entered_time', 'last_event_time']

/** What a site reads of its entity; null: everything (the bare root, or a text that does not parse). */
type EntityReads = readonly string[] | null

export function checkExpressions(check: Check, wallClock: boolean): void {
  const sites = expressionSites(check.definitions)
  const read = new Map<ExpressionSite, EntityReads>()
  for (const site of sites) read.set(site, site.isPath ? checkPath(check, site) : checkText(check, site, wallClock))
  const byEntity = Map.groupBy(sites, (site) => site.entity)
  for (const [name, entity] of entries(check.definitions.entities)) {
    const own = byEntity.get(name) ?? []
    checkCycles(check, name, entity, own, read)
    checkUnread(check, name, entity, own, read)
  }
  if (!check.partial) checkRepeatable(check, sites, read)
}

function checkText(check: Check, site: ExpressionSite, wallClock: boolean): EntityReads {
  let node: Node
  try {
    node = parse(site.text)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const expected = error.expected === null ? '' : `, expected ${error.expected}`
    report(check, site, 'E05', `column ${error.column}: ${error.message}${expected}`)
    return null
  }
  for (const { code, column, message } of checkExpression(node, site.scope)) {
    if (code !== 'W13' || wallClock) report(check, site, code, `column ${column}: ${message}`)
  }
  const paths = reads(node)
    .filter((r) => r.root === 'entity')
    .map((r) => r.path[0])
  for (const property of new Set(paths)) if (property !== undefined) checkProperty(check, site, property)
  return paths.includes(undefined) ? null : paths.map(String)
}

function report(check: Check, site: ExpressionSite, code: string, message: string): void {
  const prefix = code === 'E05' ? 'invalid expression' : 'expression'
  check.issues.add(code, site.path, `${prefix} "${shortened(site.text)}": ${message}`)
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > 120 ? `${line.slice(0, 119)}…` : line
}

/** A `from` of an effect. */
function checkPath(check: Check, site: ExpressionSite): EntityReads {
  const parsed = parseValuePath(site.text)
  if (parsed === null) {
    const expected = "expected a path 'event.<field>' or 'entity.<property>'; for an expression use 'compute'"
    check.issues.add('E05', site.path, `"${shortened(site.text)}" is no path: ${expected}`)
    return null
  }
  if (parsed.root === 'event') {
    if (site.scope.event === 'empty') {
      check.issues.add('W08', site.path, `'${site.text}' is always null here: no event exists while a time rule runs`)
    }
    return []
  }
  checkProperty(check, site, parsed.path[0]!)
  return [parsed.path[0]!]
}

/** W08 for an `entity.x` that is neither a property nor built in. */
function checkProperty(check: Check, site: ExpressionSite, property: string): void {
  if (site.entity === null || site.scope.entity !== 'entity') return
  const known = Object.keys(check.definitions.entities[site.entity]?.properties ?? {})
  if (known.includes(property) || ENTITY_BUILT_INS.includes(property)) return
  if (check.unusable(['entities', site.entity, 'properties'])) return
  const hint = didYouMean(property, [...known, ...ENTITY_BUILT_INS])
  check.issues.add('W08', site.path, `'entity.${property}' is always null: it is not a property${hint}`)
}

/** E14: a computed property may not read itself, not even by way of others. */
function checkCycles(
  check: Check,
  name: string,
  entity: EntityDef,
  sites: readonly ExpressionSite[],
  read: ReadonlyMap<ExpressionSite, EntityReads>,
): void {
  const next = new Map<string, readonly string[]>()
  for (const site of sites) {
    if (site.block === null && site.writes !== null) next.set(site.writes, read.get(site) ?? [])
  }
  const settled = new Set<string>()
  for (const property of Object.keys(entity.properties ?? {})) {
    const cycle = findCycle(property, next, settled)
    if (cycle === null) continue
    const way = [...cycle, cycle[0]].map((p) => `'${p}'`).join(' → ')
    const path: Path = ['entities', name, 'properties', cycle[0]!, 'compute']
    check.issues.add('E14', path, `computed properties read each other in a circle: ${way}`)
  }
}

/** A circle reachable from `start` that was not met before, by depth-first search without recursion. */
function findCycle(start: string, next: ReadonlyMap<string, readonly string[]>, settled: Set<string>): string[] | null {
  const way: { at: string; todo: string[] }[] = []
  const enter = (at: string): void => {
    way.push({ at, todo: settled.has(at) ? [] : [...(next.get(at) ?? [])].reverse() })
    settled.add(at)
  }
  let found: string[] | null = null
  if (!settled.has(start)) enter(start)
  while (way.length > 0) {
    const { todo } = way.at(-1)!
    const to = todo.pop()
    if (to === undefined) way.pop()
    else {
      const index = way.findIndex((step) => step.at === to)
      if (index >= 0) found ??= way.slice(index).map((step) => step.at)
      else if (next.has(to)) enter(to)
    }
  }
  return found
}

/** W03: written by effects, but read by nothing here. */
function checkUnread(
  check: Check,
  name: string,
  entity: EntityDef,
  sites: readonly ExpressionSite[],
  read: ReadonlyMap<ExpressionSite, EntityReads>,
): void {
  const all = sites.map((site) => read.get(site) ?? null)
  if (all.includes(null) || check.damaged(['entities', name])) return
  const known = new Set(all.flat())
  const written = new Set(
    blocksOf(name, entity).flatMap((block) =>
      block.effects.flatMap((e) => (e.kind === 'set' || e.kind === 'increment' ? [e.body.property] : [])),
    ),
  )
  for (const property of Object.keys(entity.properties ?? {})) {
    if (!written.has(property) || known.has(property) || Object.hasOwn(entity.identity ?? {}, property)) continue
    const message = 'written by effects, but read by no expression, path or identity field'
    check.issues.add('W03', ['entities', name, 'properties', property], message, 'key')
  }
}

/** W06: a second genuine event would be taken for the first one, although it would change the entity again. */
function checkRepeatable(
  check: Check,
  sites: readonly ExpressionSite[],
  read: ReadonlyMap<ExpressionSite, EntityReads>,
): void {
  const { entities, sources } = check.definitions
  const counting = new Map<string, string>()
  for (const [name, entity] of entries(entities)) {
    for (const { event, effects } of blocksOf(name, entity)) {
      const increment = effects.find((effect) => effect.kind === 'increment')
      if (event !== null && increment) counting.set(`${event}\0${name}`, increment.body.property)
    }
  }
  for (const site of sites) {
    const event = site.block?.event ?? null
    if (event === null || site.writes === null || site.isPath) continue
    if (read.get(site)?.includes(site.writes)) counting.set(`${event}\0${site.entity}`, site.writes)
  }
  for (const [name, source] of entries(sources)) {
    for (const [event, body] of entries(source.events)) {
      if (body.event_id !== undefined || source.event_id !== undefined) continue
      const entity = Object.keys(body.hints ?? {}).find((hinted) => counting.has(`${event}\0${hinted}`))
      if (entity === undefined) continue
      const property = counting.get(`${event}\0${entity}`)
      const message =
        `two events '${event}' with equal fields count as one, although each would change '${property}' of ` +
        `'${entity}' again: list a distinguishing field in 'event_id'`
      check.issues.add('W06', ['sources', name, 'events', event], message, 'key')
    }
  }
}
