/**
 * Postgres for tests. Importing this file asks for the server that all test files of a run share. Where Postgres cannot
 * be had, importing fails under `CI=true`; elsewhere `describePostgres` leaves its tests out.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { describe, inject } from 'vitest'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../../infra/starters/postgres.ts'
import { askDesk } from './desk.ts'

const answer = await askDesk(inject('postgresDesk'))

/** `describe` for what needs Postgres. */
export const describePostgres = describe.skipIf('missing' in answer)

/** Connection string of the superuser to the shared server. What a test changes there, others see. */
export function postgresUrl(): string {
  if ('missing' in answer) throw new Error(answer.missing)
  return answer.url
}

export interface FreshDatabase {
  readonly url: string
  /** Ends connections that are still open. */
  drop(): Promise<void>
}

/** A new, empty database on the shared server; takes some 20 ms. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const name = randomName()
  await execute(postgresUrl(), `create database ${name}`)
  const url = new URL(postgresUrl())
  url.pathname = name
  return { url: url.href, drop: () => execute(postgresUrl(), `drop database if exists ${name} with (force)`) }
}

export interface FreshNamespace {
  readonly url: string
  readonly namespace: string
  /** Drops the schemas `{namespace}` and `{namespace}_*`. */
  drop(): Promise<void>
}

/** A namespace nobody else uses, in a database that all share: for tests that are about namespaces beside each other. */
export function freshNamespace(): FreshNamespace {
  const namespace = randomName()
  const drop = `
do $$
declare
  name text;
begin
  for name in select nspname from pg_namespace where nspname = '${namespace}' or nspname like '${namespace}\\_%' loop
    execute format('drop schema %I cascade', name);
  end loop;
end
$$`
  return { url: postgresUrl(), namespace, drop: () => execute(postgresUrl(), drop) }
}

/** A server of the test's own, to restart, kill or limit; takes about a second. It is gone when `work` has ended. */
export async function withServer<T>(
  options: PostgresOptions,
  work: (server: PostgresServer) => Promise<T>,
): Promise<T> {
  await using server = await startPostgres(options)
  return await work(server)
}

/** Runs one statement on a connection of its own. */
export async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Names of one process never meet those of another. */
function randomName(): string {
  return `t_${randomBytes(8).toString('hex')}`
}
