/** `graph neighbors`, `traverse`, `path` and `related`: what entities have to do with each other (spec 06 §9.2). */
import type { Queries } from '../../queries.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { entityId } from '../entity.ts'
import { edgesAmong, entityDiagram } from '../graph/entities.ts'
import type { Diagram } from '../graph/model.ts'
import { dot, mermaid } from '../graph/render.ts'
import { count, flag, instant, list, text } from '../options.ts'
import type { Result } from '../output.ts'
import { CONNECT, openReading, ROW_OPTIONS, showRows } from '../reading.ts'
import { tableText } from '../table.ts'

const ID = ['<id>', 'entity id, or the value of an identity field'] as const
const RELATIONSHIP = ['<relationship>', 'relationship type, by either of its names'] as const
const WHERE = [
  ...ROW_OPTIONS,
  { flags: '--as-of <time>', description: 'the graph as it was at this instant' },
  { flags: '--version <name>', description: 'version (default: the active one)' },
  CONNECT,
] as const
const PICTURE = { flags: '--format <format>', description: 'a picture instead of rows', choices: ['mermaid', 'dot'] }

export const neighbors: CommandSpec = {
  name: 'neighbors',
  summary: 'everything an entity has an edge with',
  arguments: [ID],
  options: [
    { flags: '--type <relationship>', description: 'edges of this relationship only' },
    { flags: '--direction <direction>', description: 'as edges were written', choices: ['outbound', 'inbound'] },
    PICTURE,
    ...WHERE,
  ],
  examples: [
    'defacto graph neighbors ana@example.com',
    'defacto graph neighbors ana@example.com --format dot | dot -Tsvg > ana.svg',
  ],
  async run(context, [given = ''], options) {
    const { root, ids, asOf } = await opened(context, options, [given])
    const [id = ''] = ids
    const relationshipType = text(options, 'type')
    const direction = text(options, 'direction') as 'outbound' | 'inbound' | undefined
    const query = root.graph.neighbors(id, {
      ...(relationshipType !== undefined && { relationshipType }),
      ...(direction !== undefined && { direction }),
      ...asOf,
    })
    if (text(options, 'format') === undefined) return shown(context, query, options)
    const rows = await query.rows()
    const edges = rows.map((row) => {
      const [from, to] = row.direction === 'outbound' ? [id, row.entity_id] : [row.entity_id, id]
      return { from, to, label: row.relationship_type }
    })
    const type = await typeOf(root, id, options)
    const others = rows.map((row) => ({ id: row.entity_id, type: row.entity_type }))
    return picture(entityDiagram(id, [{ id, type }, ...others], edges), options)
  },
}

export const traverse: CommandSpec = {
  name: 'traverse',
  summary: 'what edges of one relationship lead to, step by step',
  arguments: [ID, RELATIONSHIP],
  options: [
    { flags: '--depth <n>', description: 'so many steps (default: 1)' },
    { flags: '--undirected', description: 'follow edges both ways' },
    PICTURE,
    ...WHERE,
  ],
  examples: ['defacto graph traverse ana@example.com invited --depth 3'],
  async run(context, [given = '', relationship = ''], options) {
    const { root, ids, asOf } = await opened(context, options, [given])
    const [id = ''] = ids
    const depth = count(options, 'depth') ?? 1
    const query = root.graph.traverse(id, relationship, { depth, directed: !flag(options, 'undirected'), ...asOf })
    if (text(options, 'format') === undefined) return shown(context, query, options)
    const rows = await query.rows()
    const found = rows.map((row) => ({ id: row.entity_id, type: row.entity_type }))
    const edges = await edgesAmong(
      root,
      found.map((entity) => entity.id),
      { relationship, ...asOf },
    )
    return picture(entityDiagram(id, found, edges), options)
  },
}

export const path: CommandSpec = {
  name: 'path',
  summary: 'a shortest way from one entity to another',
  arguments: [
    ['<from>', ID[1]],
    ['<to>', ID[1]],
  ],
  options: [
    { flags: '--max-depth <n>', description: 'at most so many edges (default: 20)' },
    { flags: '--types <names>', description: 'along these relationships only, separated by commas' },
    PICTURE,
    ...WHERE.filter(({ flags }) => !ROW_OPTIONS.some((option) => option.flags === flags)),
  ],
  examples: ['defacto graph path ana@example.com ben@example.com'],
  async run(context, given, options) {
    const { root, ids, asOf } = await opened(context, options, given)
    const [from = '', to = ''] = ids
    const types = list(options, 'types')
    const maxDepth = count(options, 'maxDepth')
    const way = await root.graph.path(from, to, {
      ...(maxDepth !== undefined && { maxDepth }),
      ...(types.length > 0 && { relationshipTypes: types }),
      ...asOf,
    })
    const edges = await edgesAmong(root, way, asOf)
    const steps = way.map((id, i) => {
      const before = way[i - 1]
      const edge = edges.find(
        (one) =>
          before !== undefined && ((one.from === before && one.to === id) || (one.from === id && one.to === before)),
      )
      const direction = edge === undefined ? null : edge.from === before ? 'outbound' : 'inbound'
      return { step: i, entity_id: id, relationship_type: edge?.label ?? null, direction }
    })
    if (text(options, 'format') !== undefined) {
      const along = edges.filter(({ from: a, to: b }) => Math.abs(way.indexOf(a) - way.indexOf(b)) === 1)
      return picture(
        entityDiagram(
          from,
          way.map((id) => ({ id, type: null })),
          along,
        ),
        options,
      )
    }
    return {
      data: steps,
      text: (output) => (steps.length === 0 ? 'no way leads from one to the other' : tableText(output, steps)),
    }
  },
}

export const related: CommandSpec = {
  name: 'related',
  summary: 'rows of what an entity is related to',
  arguments: [ID, RELATIONSHIP],
  options: WHERE,
  examples: ['defacto graph related ana@example.com invited -o csv'],
  async run(context, [given = '', relationship = ''], options) {
    const { root, ids, asOf } = await opened(context, options, [given])
    return shown(context, root.graph.related(ids[0] ?? '', relationship, asOf), options)
  },
}

async function opened(
  context: Context,
  options: Options,
  given: readonly string[],
): Promise<{ root: Queries; ids: readonly string[]; asOf: { asOf?: string } }> {
  const at = instant(options, 'asOf')
  const { root, space } = await openReading(context, options)
  const ids: string[] = []
  for (const one of given) ids.push(await entityId(space, one))
  return { root, ids, asOf: at === undefined ? {} : { asOf: at } }
}

function shown(context: Context, query: unknown, options: Options): Promise<undefined> {
  return showRows(context, query, count(options, 'limit'), { records: flag(options, 'records') })
}

function picture(diagram: Diagram, options: Options): Result {
  return { data: diagram, text: text(options, 'format') === 'dot' ? dot(diagram) : mermaid(diagram) }
}

/** The type of an entity by the tables it has a row in. */
async function typeOf(root: Queries, id: string, options: Options): Promise<string | null> {
  const at = instant(options, 'asOf')
  for (const [type] of root.tables({ relationships: false })) {
    const rows = at === undefined ? root.table(type) : root.history(type).asOf(at)
    if ((await rows.filter({ [`${type}_id`]: id } as never).first()) !== undefined) return type
  }
  return null
}
