/** delta-rs as the independent judge of our tables. Where it cannot be had, importing fails under `CI=true`. */
import { join } from 'node:path'
import { describe } from 'vitest'
import { pythonWithDeltalake } from '../../infra/starters/deltalake.ts'
import { PythonJudge } from './python-judge.ts'

const python = await pythonWithDeltalake().catch((error: Error) => error)
if (python instanceof Error) {
  if (process.env['CI'] === 'true') throw python
  process.stderr.write(`Left out: tests against delta-rs. ${python.message.split('\n')[0]}\n`)
}

/** `describe` for what needs the judge. */
export const describeJudged = describe.skipIf(python instanceof Error)

export interface Reading {
  readonly version: number
  readonly rows: number
  readonly sequences: number[]
  /** Rows that a filter on `sequence` finds, which uses our statistics. */
  readonly upToFifty: number
  readonly bytes: number
  readonly duplicates: number
  readonly excluded: number
  readonly types: Record<string, string>
  readonly last: Record<string, unknown>[]
}

export class Judge extends PythonJudge {
  constructor() {
    super(python, join(import.meta.dirname, 'delta-judge.py'))
  }

  read(path: string, version?: number): Promise<Reading> {
    return this.ask({ do: 'read', path, version })
  }

  append(path: string, first: number, last: number): Promise<{ version: number }> {
    return this.ask({ do: 'append', path, first, last })
  }

  checkpoint(path: string): Promise<object> {
    return this.ask({ do: 'checkpoint', path })
  }

  delete(path: string, predicate: string): Promise<object> {
    return this.ask({ do: 'delete', path, predicate })
  }
}
