/** Spaces in a database of its own on a Postgres server: that of `DEFACTO_POSTGRES_URL`, or one that is started. */

import pg from 'pg'
import { findPostgres } from '../infra/starters/postgres.ts'
import { PostgresFloor } from './floor-postgres.ts'
import { clockOfServer } from './server-clock.ts'
import type { BenchStore } from './store.ts'

/** What a server in production has: data on the disk before a commit is answered, memory to speak of. */
const SERVER = { durable: true, settings: { shared_buffers: '512MB', max_wal_size: '4GB' } }

export async function openPostgres(scratch: string): Promise<BenchStore> {
  const server = await findPostgres(SERVER)
  const name = `bench_${process.pid}`
  const url = new URL(server.url)
  url.pathname = name
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query(`create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`)
  await admin.end()
  const clock = await clockOfServer(server.url)
  if (clock === null) {
    process.stderr.write('  the server is on another machine: its processor time is not in the figures\n')
  }
  return {
    name: 'postgres',
    clock: clock ?? (() => 0),
    place: (space) => ({ database: url.href, namespace: space }),
    size: async (space) =>
      Number(
        await single(
          url.href,
          `select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = relnamespace
            where relkind = 'r' and (nspname = '${space}' or starts_with(nspname, '${space}_'))`,
        ),
      ),
    remove: async (space) => {
      await single(
        url.href,
        `do $$ declare name text; begin
          for name in select nspname from pg_namespace where nspname = '${space}' or starts_with(nspname, '${space}_') loop
            execute format('drop schema %I cascade', name);
          end loop; end $$`,
      )
    },
    floor: (space) => PostgresFloor.open(url.href, space, scratch, clock ?? (() => 0)),
    [Symbol.asyncDispose]: async () => {
      await single(server.url, `drop database if exists ${name} with (force)`).catch(() => undefined)
      await server.stop()
    },
  }
}

export async function postgresFloor(database: string, space: string, scratch: string): Promise<PostgresFloor> {
  return PostgresFloor.open(database, space, scratch, (await clockOfServer(database)) ?? (() => 0))
}

/** The one value a statement gives, on a connection of its own. */
async function single(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}
