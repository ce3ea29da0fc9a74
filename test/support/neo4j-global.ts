/** One Neo4j server for the whole run, started when the first test file asks for it. */
import type { TestProject } from 'vitest/node'
import { findNeo4j } from '../../infra/starters/neo4j.ts'
import { openDesk } from './desk.ts'

declare module 'vitest' {
  interface ProvidedContext {
    neo4jDesk: number
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const desk = await openDesk('Neo4j', () => findNeo4j())
  project.provide('neo4jDesk', desk.port)
  return desk.close
}
