/** pandas, Arrow, NetworkX and DuckDB as judges of exports. Where they cannot be had, importing fails under `CI=true`. */
import { join } from 'node:path'
import { describe } from 'vitest'
import { pythonOfAnalysts } from '../../infra/starters/analysts.ts'
import { PythonJudge } from './python-judge.ts'

const python = await pythonOfAnalysts().catch((error: Error) => error)
if (python instanceof Error) {
  if (process.env['CI'] === 'true') throw python
  process.stderr.write(`Left out: tests with pandas and NetworkX. ${python.message.split('\n')[0]}\n`)
}

/** `describe` for what needs them. */
export const describeAnalysts = describe.skipIf(python instanceof Error)

/** Whole numbers are `{int: text}`, instants `{at: text}`; others are what they are in JSON. */
export type Cell = null | string | number | boolean | { readonly int: string } | { readonly at: string }
export type Cells = Readonly<Record<string, Cell>>
/** A table as one reader sees it, with its own names of types. */
export interface Seen {
  readonly types: Readonly<Record<string, string>>
  readonly rows: readonly Cells[]
}
export interface SeenGraph {
  readonly directed: boolean
  readonly multigraph: boolean
  readonly nodes: Readonly<Record<string, Cells>>
  readonly edges: readonly (readonly [source: string, target: string, Cells])[]
}
type Scores = Readonly<Record<string, number>>

export class Analysts extends PythonJudge {
  constructor() {
    super(python, join(import.meta.dirname, '..', 'interop', 'readers-judge.py'))
  }

  parquet(path: string): Promise<{ readonly arrow: Seen; readonly pandas: Seen; readonly codec: string }> {
    return this.ask({ do: 'parquet', path })
  }

  /** `types`: property types by column, for readers that have to be told. `duckdb`: the types it finds out. */
  csv(
    path: string,
    types: Readonly<Record<string, string>>,
  ): Promise<{ readonly arrow: Seen; readonly pandas: Seen; readonly duckdb: Readonly<Record<string, string>> }> {
    return this.ask({ do: 'csv', path, types })
  }

  graph(path: string, edges: 'edges' | 'links' = 'edges'): Promise<SeenGraph> {
    return this.ask({ do: 'graph', path, edges })
  }

  scores(path: string): Promise<{
    readonly components: readonly (readonly string[])[]
    readonly pagerank: Scores
    readonly betweenness: Scores
    readonly degree: Scores
  }> {
    return this.ask({ do: 'scores', path })
  }

  /** Of these communities, and of those NetworkX finds. */
  modularity(path: string, communities: readonly (readonly string[])[]): Promise<{ ours: number; theirs: number }> {
    return this.ask({ do: 'modularity', path, communities })
  }

  /** Every table of a DuckDB file, as `schema.table`. */
  database(path: string): Promise<Readonly<Record<string, Seen>>> {
    return this.ask({ do: 'database', path })
  }
}
