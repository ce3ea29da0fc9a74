/**
 * Neo4j for tests. Importing this file asks for the server that all test files of a run share. Where none can be had,
 * importing fails under `CI=true`; elsewhere `describeNeo4j` leaves its tests out. Tests keep to spaces of their own.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, inject } from 'vitest'
import { Neo4jServer } from '../../src/adapters/neo4j/driver.ts'
import { fromNeo4j } from '../../src/adapters/neo4j/values.ts'
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

/** `before`: the server never sees what the client sent. `after`: it does, and nobody hears its answer. */
export type Cut = 'before' | 'after'

export interface BoltProxy extends AsyncDisposable {
  /** The same server, through the proxy. */
  readonly url: string
  /** Asked for every piece the client sends; Cypher is plain text in it. Null lets it pass. */
  decide: (piece: string) => Cut | null
  /** True: who connects is turned away. */
  down: boolean
}

export async function boltProxy(url: string): Promise<BoltProxy> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = { decide: (_: string): Cut | null => null, down: false }
  const server = createServer((client) => {
    if (proxy.down) return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', () => {
        sockets.delete(socket)
        cut()
      })
    }
    let deaf = false
    upstream.on('data', (bytes) => {
      if (deaf) cut()
      else client.write(bytes)
    })
    client.on('data', (bytes) => {
      const decision = proxy.decide(bytes.toString('latin1'))
      if (decision === 'before') return cut()
      deaf ||= decision === 'after'
      upstream.write(bytes)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const through = new URL(url)
  through.port = String((server.address() as AddressInfo).port)
  return Object.assign(proxy, {
    url: through.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}
