/**
 * One Postgres for the whole run, started when the first test file asks for it: whoever connects to the port that is
 * handed to the workers gets the server's address, or why there is none.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestProject } from 'vitest/node'
import { findPostgres, type RunningPostgres } from '../../infra/starters/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Port of the loopback address. */
    postgresDesk: number
  }
}

export type PostgresAnswer = { readonly url: string } | { readonly missing: string }

/** The time zone is one that nobody expects, because nothing may depend on the server's. */
const SETTINGS = { max_connections: 200, timezone: 'Asia/Kathmandu' }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<RunningPostgres> | null = null
  async function answer(): Promise<PostgresAnswer> {
    const first = server === null
    server ??= findPostgres({ settings: SETTINGS })
    try {
      return { url: (await server).url }
    } catch (error) {
      const missing = (error as Error).message
      // Under CI each of those files fails with the whole message.
      if (first && process.env['CI'] !== 'true') {
        process.stderr.write(`Tests that need Postgres are left out: ${missing.split('\n')[0]}\n`)
      }
      return { missing }
    }
  }

  const desk = createServer((visitor) => {
    visitor.on('error', () => {})
    void answer().then((said) => visitor.end(JSON.stringify(said)))
  })
  await once(desk.listen(0, '127.0.0.1'), 'listening')
  project.provide('postgresDesk', (desk.address() as AddressInfo).port)

  return async () => {
    desk.close()
    await server?.then(
      (running) => running.stop(),
      () => {},
    )
  }
}
