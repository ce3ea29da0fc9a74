/** A namespace of the shared Postgres as a place for the scenarios of `scenario.ts`. */
import { freshNamespace } from './postgres.ts'
import type { Place } from './scenario.ts'

export async function postgresPlace(): Promise<Place> {
  const { url, namespace, drop } = freshNamespace()
  return { options: { database: url, namespace }, dispose: drop }
}
