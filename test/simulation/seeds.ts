/** Many seeds in a row, and what came of them. `SEED=123` repeats one of them, with `TRACE=1` step by step. */

import { spoiled } from './bucket.ts'
import { MemoryDisk } from './local-disk.ts'
import { decodeRows, memoryCodec } from './memory-codec.ts'
import { type Outcome, simulate } from './run.ts'
import { Violation } from './scheduler.ts'
import type { Kit } from './world.ts'

export const MEMORY: Kit = {
  disk: () => new MemoryDisk(),
  codec: (disk) => memoryCodec(disk),
  spoil: spoiled,
  decode: (_path, body) => {
    try {
      return decodeRows(body)
    } catch {
      return null
    }
  },
}

export interface Summary {
  seeds: number
  steps: number
  reads: number
  commits: number
  rows: number
  pruned: number
  done: Map<string, number>
  failures: Map<string, number>
}

/** Broken promises that are told before the rest of the seeds is left alone. */
const ENOUGH = 5

export async function simulateAll(first: number, count: number, kit: Kit): Promise<Summary> {
  const sum: Summary = {
    seeds: 0,
    steps: 0,
    reads: 0,
    commits: 0,
    rows: 0,
    pruned: 0,
    done: new Map(),
    failures: new Map(),
  }
  const only = process.env['SEED']
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => first + index) : [Number(only)]
  const problems: string[] = []
  const depth = Error.stackTraceLimit
  // Most errors here are expected ones, and their stacks would cost a good part of the time.
  if (only === undefined) Error.stackTraceLimit = 0
  for (const seed of seeds) {
    try {
      add(sum, await simulate(seed, kit))
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      problems.push(error.message)
      if (problems.length === ENOUGH) break
    }
  }
  Error.stackTraceLimit = depth
  if (problems.length > 0) throw new Violation(problems.join('\n'))
  return sum
}

function add(sum: Summary, outcome: Outcome): void {
  sum.seeds += 1
  for (const key of ['steps', 'reads', 'commits', 'rows', 'pruned'] as const) sum[key] += outcome[key]
  for (const key of ['done', 'failures'] as const) {
    for (const [kind, count] of outcome[key]) sum[key].set(kind, (sum[key].get(kind) ?? 0) + count)
  }
}
