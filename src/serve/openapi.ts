/** The OpenAPI 3.1 document, made from the endpoints and the schemas that check them. */
import { z } from 'zod'
import type { Answer, Endpoint } from './endpoint.ts'
import { PROBLEM } from './schemas.ts'

type Json = Record<string, unknown>

export function openApiOf(endpoints: readonly Endpoint[], version: string): Json {
  const schemas: Json = {}
  const schemaOf = (type: z.ZodType, io: 'input' | 'output'): Json => {
    const {
      $schema: _,
      $defs,
      ...schema
    } = z.toJSONSchema(type, {
      io,
      unrepresentable: 'any',
      // Named shapes stand once, under components.
      reused: 'inline',
    }) as Json
    for (const [name, definition] of Object.entries(($defs as Json | undefined) ?? {}))
      schemas[name] = inPlace(definition)
    const named = type.meta()?.id
    if (named === undefined) return inPlace(schema) as Json
    // A named shape may already be a mere reference to its definition.
    if (!('$ref' in schema)) schemas[named] = inPlace(withoutId(schema))
    return { $ref: `#/components/schemas/${named}` }
  }

  const paths: Record<string, Json> = {}
  for (const endpoint of endpoints) {
    const operation: Json = {
      operationId: endpoint.id,
      summary: endpoint.summary,
      parameters: parametersOf(endpoint, schemaOf),
      responses: responsesOf(endpoint, schemaOf),
      // An empty list: no token is asked for.
      security: endpoint.scope === null ? [] : [{ bearer: [] }],
    }
    if (endpoint.scope !== null)
      operation['description'] = `Needs the scope \`${endpoint.scope}\` where tokens are set.`
    if (endpoint.body !== undefined) {
      const required = !endpoint.body.safeParse(undefined).success
      operation['requestBody'] = {
        required,
        content: { 'application/json': { schema: schemaOf(endpoint.body, 'input') } },
      }
    } else if (endpoint.stream !== undefined) {
      const content = Object.fromEntries(endpoint.stream.map((type) => [type, { schema: { type: 'string' } }]))
      operation['requestBody'] = { required: true, content }
    }
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operation }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'defacto',
      version,
      description: 'Runs, schedules, assets and tables of one space. Failures are problem documents (RFC 9457).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'a token of `serve.tokens`' } },
    },
  }
}

function parametersOf(endpoint: Endpoint, schemaOf: (type: z.ZodType, io: 'input' | 'output') => Json): Json[] {
  const path = Object.entries(endpoint.parameters ?? {}).map(([name, description]) => ({
    name,
    in: 'path',
    required: true,
    description,
    schema: { type: 'string' },
  }))
  const headers = Object.entries(endpoint.headers ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }))
  const query = endpoint.query === undefined ? {} : ((schemaOf(endpoint.query, 'input')['properties'] ?? {}) as Json)
  const queries = Object.entries(query).map(([name, found]) => {
    const { description, ...schema } = found as Json
    return { name, in: 'query', ...(description === undefined ? {} : { description }), schema }
  })
  return [...path, ...headers, ...queries]
}

function responsesOf(endpoint: Endpoint, schemaOf: (type: z.ZodType, io: 'input' | 'output') => Json): Json {
  const described = (answer: Answer): Json => ({
    description: answer.description,
    ...(answer.content === undefined
      ? {}
      : {
          content: {
            [answer.content.type]:
              answer.content.schema === null ? {} : { schema: schemaOf(answer.content.schema, 'output') },
          },
        }),
  })
  const responses: Json = {}
  for (const [status, answer] of Object.entries(endpoint.answers)) responses[status] = described(answer)
  responses['default'] = described({
    description: 'what went wrong',
    content: { type: 'application/problem+json', schema: PROBLEM },
  })
  return responses
}

/** References of zod's own document point into ours. */
function inPlace(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inPlace)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) =>
    key === '$ref' && typeof item === 'string'
      ? [key, item.replace('#/$defs/', '#/components/schemas/')]
      : [key, inPlace(item)],
  )
  return Object.fromEntries(entries)
}

function withoutId({ id: _, ...schema }: Json): Json {
  return schema
}
