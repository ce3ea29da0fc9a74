/** The application: endpoints behind tokens, checks and limits; every failure a problem document. */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import type { Logger } from '../ports/logger.ts'
import { CATALOG_ENDPOINTS } from './catalog.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { ERASE_ENDPOINTS } from './erase.ts'
import { HEALTH_ENDPOINTS } from './health.ts'
import { INBOX_ENDPOINTS, PUSH_BYTES } from './inbox.ts'
import { openApiOf } from './openapi.ts'
import { HttpProblem, problemOf, problemResponse } from './problem.ts'
import { RUN_ENDPOINTS } from './runs.ts'
import type { Service } from './service.ts'
import { TABLE_ENDPOINTS } from './tables.ts'
import { isLoopback, type Tokens } from './tokens.ts'

/** Bytes of a request that is no push. */
const BODY_BYTES = 1024 * 1024

export interface AppOptions {
  readonly service: Service
  readonly tokens: Tokens
  readonly logger: Pick<Logger, 'warn' | 'error'>
  /** Of this package. */
  readonly version: string
}

export function endpoints(version: string): readonly Endpoint[] {
  const all: Endpoint[] = [
    ...RUN_ENDPOINTS,
    ...CATALOG_ENDPOINTS,
    ...TABLE_ENDPOINTS,
    ...INBOX_ENDPOINTS,
    ...ERASE_ENDPOINTS,
    ...HEALTH_ENDPOINTS,
  ]
  let document: Record<string, unknown> | null = null
  const described = endpoint({
    method: 'get',
    path: '/openapi.json',
    scope: null,
    id: 'openapi',
    summary: 'This document.',
    answers: { 200: { description: 'OpenAPI 3.1', content: { type: 'application/json', schema: null } } },
    async handle() {
      document ??= openApiOf([...all, described], version)
      return json(document)
    },
  })
  return [...all, described]
}

export function createApp({ service, tokens, logger, version }: AppOptions): Hono {
  const app = new Hono()
  app.onError((error) => {
    if (problemOf(error).status === 500) logger.error('request failed', { error: String(error) })
    return problemResponse(error)
  })
  app.notFound(() => problemResponse(new HttpProblem(404, 'E_NOT_FOUND', 'there is nothing here; see /openapi.json')))
  // Without tokens a web page must not reach this machine's server under a name of its own.
  if (tokens.none) {
    app.use(async (http, next) => {
      const origin = http.req.header('origin')
      const places = [new URL(http.req.url).hostname, ...(origin === undefined ? [] : [hostOf(origin)])]
      if (!places.every((host) => isLoopback(host.replace(/^\[|\]$/g, ''))))
        throw new HttpProblem(403, 'E_FORBIDDEN', 'without tokens only this machine is served, under its own name')
      await next()
    })
  }
  for (const each of endpoints(version)) {
    const path = each.path.replace(/\{(\w+)\}/g, ':$1')
    const limit = bodyLimit({
      maxSize: each.stream === undefined ? BODY_BYTES : PUSH_BYTES,
      onError: async (http) => {
        await drained(http.req.raw.body)
        return problemResponse(new HttpProblem(413, 'E_TOO_LARGE', 'the body is too large'))
      },
    })
    app.on(each.method, path, limit, async (http) => {
      if (each.scope !== null) tokens.require(http.req.header('authorization'), each.scope)
      const query = each.query === undefined ? {} : checked(each.query, http.req.query(), 'query')
      const body = each.body === undefined ? undefined : checked(each.body, await bodyOf(http.req.raw), 'body')
      return each.handle({ http, query, body }, service)
    })
  }
  // A path that exists, asked in another way.
  const methods = Map.groupBy(endpoints(version), (each) => each.path)
  for (const [path, known] of methods) {
    const allow = known.map(({ method }) => method.toUpperCase()).join(', ')
    app.all(path.replace(/\{(\w+)\}/g, ':$1'), () =>
      problemResponse(new HttpProblem(405, 'E_USAGE', `this takes ${allow}`, { allow })),
    )
  }
  return app
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : ''
}

/** Who is still sending hears the answer only then; somebody who does not end is not waited for. */
async function drained(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (body === null || body.locked) return
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > 8 * BODY_BYTES) return
  }
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text()
  if (text.trim() === '') return undefined
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== undefined && type !== '' && type !== 'application/json' && !type.endsWith('+json'))
    throw new HttpProblem(415, 'E_USAGE', 'the body is application/json')
  try {
    return JSON.parse(text)
  } catch {
    throw new HttpProblem(400, 'E_USAGE', 'the body is no JSON')
  }
}

/** The value as the schema makes it; the first thing that is wrong is a 400, never with the value itself. */
function checked(schema: z.ZodType, value: unknown, where: string): unknown {
  const found = schema.safeParse(value)
  if (found.success) return found.data
  const [issue] = found.error.issues
  const at = issue?.path.map(String).join('.') ?? ''
  throw new HttpProblem(400, 'E_USAGE', `${where}${at === '' ? '' : ` '${at}'`}: ${issue?.message ?? 'is wrong'}`)
}
