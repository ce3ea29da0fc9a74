/** One Postgres for the whole run, started when the first test file asks for it. */
import type { TestProject } from 'vitest/node'
import { findPostgres } from '../../infra/starters/postgres.ts'
import { openDesk } from './desk.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresDesk: number
  }
}

/** The time zone is one that nobody expects, because nothing may depend on the server's. */
const SETTINGS = { max_connections: 200, timezone: 'Asia/Kathmandu' }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const desk = await openDesk('Postgres', () => findPostgres({ settings: SETTINGS }))
  project.provide('postgresDesk', desk.port)
  return desk.close
}
