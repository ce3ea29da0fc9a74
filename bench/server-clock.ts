/** Processor time of a Postgres server that runs on this machine, where /proc tells it. */
import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import type { ServerClock } from './result.ts'

/** Of /proc on every Linux: clock ticks of 10 ms. */
const TICK_MS = 10

/** Null if the server is on another machine, where its time cannot be told. */
export async function clockOfServer(url: string): Promise<ServerClock | null> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return serverClock(rows[0]?.pid ?? 0)
  } finally {
    await client.end()
  }
}

/** `backend`: what the server says the process of a connection is. Null if that process is not here, or none of a Postgres. */
function serverClock(backend: number): ServerClock | null {
  const own = statOf(backend)
  if (own === null || own.name !== 'postgres') return null
  const postmaster = own.parent
  const others = new Set<number>()
  return () => {
    // Processes that have ended are in the time of their parent.
    const parent = statOf(postmaster)
    let ticks = parent === null ? 0 : parent.ticks + parent.ticksOfEnded
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry)
      if (Number.isNaN(pid) || others.has(pid)) continue
      const stat = statOf(pid)
      if (stat?.parent === postmaster) ticks += stat.ticks
      else others.add(pid)
    }
    return ticks * TICK_MS
  }
}

interface Stat {
  readonly name: string
  readonly parent: number
  readonly ticks: number
  readonly ticksOfEnded: number
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name is in parentheses and may contain anything.
    const end = text.lastIndexOf(')')
    const fields = text
      .slice(end + 2)
      .split(' ')
      .map(Number)
    const field = (number: number): number => fields[number - 3] ?? 0
    return {
      name: text.slice(text.indexOf('(') + 1, end),
      parent: field(4),
      ticks: field(14) + field(15),
      ticksOfEnded: field(16) + field(17),
    }
  } catch {
    return null
  }
}
