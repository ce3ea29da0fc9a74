/** Nodes of persons, with their edges, taken out of a Neo4j database (spec 05 §4.5, 06 §7.1). */
import type { Purge, Purged } from '../../ports/export-purge.ts'
import type { Neo4jServer, Run } from './driver.ts'
import { ID, labelOf, quoted, SPACE } from './names.ts'

/** Ids of one transaction. */
const BATCH = 1_000

/** Of whatever space they were exported as: ids are unique. A server that does not answer is an `UnreachableError`. */
export async function purgeNeo4j(server: Neo4jServer, { ids, types, dryRun, signal }: Purge): Promise<Purged> {
  const rows = new Map<string, number>()
  for (const type of types) {
    for (let from = 0; from < ids.length; from += BATCH) {
      signal?.throwIfAborted()
      const work = (run: Run): Promise<Record<string, unknown>[]> =>
        run(
          `MATCH (n:${quoted(labelOf(type))}) WHERE n.${SPACE} IS NOT NULL AND n.${ID} IN $ids
           WITH n, n.${ID} AS id, size([(n)-[r]-() | r]) AS edges ${dryRun === true ? '' : 'DETACH DELETE n'}
           RETURN id, 1 + edges AS removed`,
          { ids: ids.slice(from, from + BATCH) },
        )
      const found = dryRun === true ? await server.read(work) : await server.write(work)
      for (const { id, removed } of found) rows.set(id as string, (rows.get(id as string) ?? 0) + Number(removed))
    }
  }
  return { rows, problem: null }
}
