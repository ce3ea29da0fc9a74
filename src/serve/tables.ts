/** Endpoints that read: rows of a type now or at an instant, its history, one timeline; limited, so that no request is endless. */
import { NotFoundError } from '../errors.ts'
import type { TableQuery } from '../query/table-query.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { HttpProblem } from './problem.ts'
import { ROWS, TABLE_QUERY, TIMELINE, TIMELINE_QUERY } from './schemas.ts'
import type { Service } from './service.ts'

type Query = (typeof TABLE_QUERY)['_output']
const TYPE = { type: 'entity type' }
const rowsAnswer = { 200: { description: 'rows', content: { type: 'application/json', schema: ROWS } } }

export const TABLE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'get',
    path: '/v1/table/{type}',
    scope: 'read',
    id: 'readTable',
    summary: 'Current entities of a type, or as they were at an instant.',
    parameters: TYPE,
    query: TABLE_QUERY,
    answers: rowsAnswer,
    handle: ({ http, query }, service) =>
      rowsOf(service, http.req.param('type') as string, query.as_of !== undefined, query),
  }),
  endpoint({
    method: 'get',
    path: '/v1/history/{type}',
    scope: 'read',
    id: 'readHistory',
    summary: 'State history of a type.',
    parameters: TYPE,
    query: TABLE_QUERY,
    answers: rowsAnswer,
    handle: ({ http, query }, service) => rowsOf(service, http.req.param('type') as string, true, query),
  }),
  endpoint({
    method: 'get',
    path: '/v1/timeline/{id}',
    scope: 'read',
    id: 'readTimeline',
    summary: 'What happened to one entity.',
    parameters: { id: 'entity id' },
    query: TIMELINE_QUERY,
    answers: { 200: { description: 'entries', content: { type: 'application/json', schema: TIMELINE } } },
    async handle({ http, query }, service) {
      const { entityId, entityType, resolvedFrom, entries } = await service.timeline(http.req.param('id') as string)
      if (entityType === '') throw new NotFoundError('no entity has this id')
      const shown = entries.slice(0, query.limit).map((entry) => ({
        timestamp: entry.timestamp,
        event_type: entry.eventType,
        effects: entry.effects,
      }))
      const about = { entity_id: entityId, entity_type: entityType, resolved_from: resolvedFrom ?? null }
      return json({ ...about, entries: shown, more: entries.length > shown.length })
    },
  }),
]

async function rowsOf(service: Service, type: string, history: boolean, wanted: Query): Promise<Response> {
  const { where, columns, order_by: order, as_of: asOf, limit } = wanted
  const root = service.tables(wanted.version)
  let query: TableQuery = history ? root.history(type) : root.table(type)
  if (asOf !== undefined) query = query.asOf(asOf)
  if (where !== undefined) query = query.filter(conditions(where) as Parameters<TableQuery['filter']>[0])
  if (order !== undefined && order.length > 0) query = query.orderBy(...order)
  if (columns !== undefined && columns.length > 0) query = query.select(...columns) as TableQuery
  // One row more tells whether there are others.
  const rows = (await query.limit(limit + 1).rows()) as unknown[]
  return json({ rows: rows.slice(0, limit), more: rows.length > limit })
}

function conditions(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Said below, without the text.
  }
  throw new HttpProblem(400, 'E_USAGE', `'where' takes a JSON object, e.g. {"plan": "pro"}`)
}
