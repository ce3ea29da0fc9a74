/** State history read through the public API, in the shape and under the names the reference interpreter uses. */
import type { Defacto } from '../../src/index.ts'
import { type Defs, type EntityDef, effectOf } from '../oracle/definitions.ts'
import { type EntityKey, entityKey } from '../oracle/identity.ts'
import type { Plain, PlainEdge, PlainRow, World } from '../oracle/oracle.ts'

type DbRow = Record<string, Plain>

/** Every entity with its history and outgoing edges. Entities are named by their hints, because ids are random. */
export async function readWorld(engine: Defacto, definitions: object): Promise<World> {
  const defs = definitions as Defs
  const keys = new Map<string, EntityKey>()
  const keyOf = async (type: string, id: string): Promise<EntityKey> => {
    let key = keys.get(id)
    if (key === undefined) {
      const hints = Object.entries(await engine.identity.hints(id))
      const texts = hints.flatMap(([field, values]) => values.map((value) => JSON.stringify([type, field, value])))
      key = texts.length > 0 ? entityKey(texts) : `no hints: ${id}`
      keys.set(id, key)
    }
    return key
  }
  const world: World = {}
  for (const [type, entity] of Object.entries(defs.entities)) {
    const names = Object.keys(entity.properties ?? {})
    const rows = (await engine.history(type).rows()) as unknown as DbRow[]
    rows.sort((a, b) => compareText(a['valid_from'], b['valid_from']))
    for (const row of rows) {
      const key = await keyOf(type, row[`${type}_id`] as string)
      world[key] ??= { type, rows: [], edges: [] }
      world[key].rows.push(plainRow(row, type, names))
    }
    for (const relationship of entity.relationships ?? []) {
      // An edge is stored under the name that wrote it; the other name shows the same edges from the other end.
      if (!writes(entity, relationship.type)) continue
      const edgeNames = Object.keys(relationship.properties ?? {})
      const query = engine.relationship(relationship.type, { history: true })
      for (const edge of (await query.rows()) as unknown as DbRow[]) {
        const source = world[await keyOf(type, edge['source_id'] as string)]
        if (!source) throw new Error('an edge of an entity without history')
        const target = await keyOf(relationship.target, edge['target_id'] as string)
        source.edges.push(plainEdge(edge, relationship.type, target, edgeNames))
      }
    }
  }
  return sorted(world)
}

function writes(entity: EntityDef, relationship: string): boolean {
  const handlers = [entity.always, ...Object.values(entity.states).map((state) => state?.when)]
  return handlers
    .flatMap((byEvent) => Object.values(byEvent ?? {}))
    .flatMap((handler) => handler.effects.map(effectOf))
    .some(([kind, body]) => kind === 'relate' && body.type === relationship)
}

/** Entities by key, edges by start: two equal worlds print alike. */
export function sorted(world: World): World {
  const entries = Object.entries(world).sort(([a], [b]) => compareText(a, b))
  for (const [, entity] of entries) entity.edges.sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)))
  return Object.fromEntries(entries)
}

function compareText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0
}

function plainRow(row: DbRow, type: string, names: string[]): PlainRow {
  return {
    state: row[`${type}_state`] as string,
    properties: pick(row, names),
    validFrom: row['valid_from'] as string,
    validTo: row['valid_to'] as string | null,
    lastEventTime: row['last_event_time'] as string,
    stateEnteredTime: row['state_entered_time'] as string,
    createdTime: row['created_time'] as string,
  }
}

function plainEdge(row: DbRow, type: string, target: EntityKey, names: string[]): PlainEdge {
  return {
    type,
    target,
    properties: pick(row, names),
    validFrom: row['valid_from'] as string,
    validTo: row['valid_to'] as string | null,
  }
}

function pick(row: DbRow, names: string[]): Record<string, Plain> {
  return Object.fromEntries(names.map((name) => [name, row[name] as Plain]))
}
