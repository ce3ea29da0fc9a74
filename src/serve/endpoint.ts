/** What an endpoint is: its place, its checks as schemas, and one function; the OpenAPI document comes from the same data. */
import type { Context } from 'hono'
import type { z } from 'zod'
import { jsonText } from '../cli/json.ts'
import type { Service } from './service.ts'
import type { Scope } from './tokens.ts'

export interface Answer {
  readonly description: string
  readonly content?: { readonly type: string; readonly schema: z.ZodType | null }
}

interface Place {
  readonly method: 'get' | 'post'
  /** `/v1/runs/{id}`. */
  readonly path: string
  /** Null: everybody. */
  readonly scope: Scope | null
  /** `operationId` of the document. */
  readonly id: string
  readonly summary: string
  /** What stands in the path, by name. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly answers: Readonly<Record<number, Answer>>
  /** Media type of a body that is read as a stream; `body` checks all others. */
  readonly stream?: readonly string[]
}

export interface EndpointSpec<Q, B> extends Place {
  readonly query?: z.ZodType<Q>
  readonly body?: z.ZodType<B>
  handle(call: { readonly http: Context; readonly query: Q; readonly body: B }, service: Service): Promise<Response>
}

/** As the server keeps them. */
export type Endpoint = EndpointSpec<unknown, unknown>

/** Keeps the types of query and body between schema and function. */
export function endpoint<Q = unknown, B = unknown>(spec: EndpointSpec<Q, B>): Endpoint {
  return spec as unknown as Endpoint
}

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${jsonText(value)}\n`, {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}
