/**
 * Neo4j for tests. Importing this file asks for the server that all test files of a run share. Where none can be had,
 * importing fails under `CI=true`; elsewhere `describeNeo4j` leaves its tests out. Tests keep to spaces of their own.
 */
import { randomUUID } from 'node:crypto'
import { describe, inject } from 'vitest'
import { Neo4jServer } from '../../src/adapters/neo4j/driver.ts'
import { fromNeo4j } from '../../src/adapters/neo4j/values.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { askDesk } from './desk.ts'

const answer = await askDesk(inject('neo4jDesk'))

/** `describe` for what needs Neo4j. */
export const describeNeo4j = describe.skipIf('missing' in answer)

/** Address of the shared server, user and password included. */
export function neo4jUrl(): string {
  if ('missing' in answer) throw new Error(answer.missing)
  return answer.url
}

export interface FreshSpace extends AsyncDisposable {
  readonly url: string
  /** Nobody else's. */
  readonly name: string
  readonly server: Neo4jServer
  /** Rows of Cypher, which gets the space's name as `$space`, as plain values. */
  cypher(text: string, params?: Record<string, unknown>): Promise<Record<string, unknown>[]>
}

export async function freshSpace(name: string = randomUUID()): Promise<FreshSpace> {
  const url = neo4jUrl()
  const server = await Neo4jServer.open(url)
  const cypher: FreshSpace['cypher'] = async (text, params = {}) => {
    const rows = await server.write((run) => run(text, { ...params, space: name }))
    return rows.map((row) => fromNeo4j(server.neo4j, row) as Record<string, unknown>)
  }
  return {
    url,
    name,
    server,
    cypher,
    async [Symbol.asyncDispose]() {
      await cypher('MATCH (n) WHERE n._defacto_space = $space OR n.space = $space DETACH DELETE n')
      await server.close()
    },
  }
}

/** The same server through a proxy; asked for every piece that a client sends, in which Cypher is plain text. */
export function boltProxy(url: string): Promise<CuttingProxy> {
  return cuttingProxy(url, () => ({ of: (raw) => [{ raw, statement: raw.toString('latin1') }] }))
}
