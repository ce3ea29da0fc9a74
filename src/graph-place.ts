/** Composition root of graphs that lie elsewhere than in the store (spec 06 §9.3): the option `graph`. */
import type { Neo4jServer } from './adapters/neo4j/driver.ts'
import { ConfigError } from './errors.ts'
import type { GraphBackend } from './ports/graph.ts'
import { levels, shortestPath } from './query/graph/search.ts'
import type { QueryProgram } from './query/root.ts'

export interface GraphPlace {
  /** What answers core operations of a version of a space. */
  of(space: string, version: string, program: QueryProgram): GraphBackend | 'memory'
  close(): Promise<void>
}

/** Connects with the first question. @throws ConfigError for a wrong address, or when the driver is missing */
export async function openGraphPlace(url: string): Promise<GraphPlace> {
  if (url === 'memory') return { of: () => url, close: async () => undefined }
  if (!url.includes('://')) {
    const message = "option 'graph' is 'memory' or an address such as bolt://user:password@host:7687"
    throw new ConfigError(message, { details: { option: 'graph' } })
  }
  const [driver, { Neo4jGraph }] = await Promise.all([
    import('./adapters/neo4j/driver.ts'),
    import('./adapters/neo4j/graph.ts'),
  ])
  const server: Neo4jServer = await driver.Neo4jServer.open(url)
  return {
    of(space, version, { layout }) {
      const entityTypes = layout.entities.map(({ type }) => type)
      return new Neo4jGraph(server, { space, version, entityTypes, searches: { levels, shortestPath } })
    },
    close: () => server.close(),
  }
}
