/** A Python with pandas, Arrow, NetworkX and DuckDB: what people read our exports with, and so their judges. */
import { join } from 'node:path'
import { pythonWith } from './python.ts'

/**
 * Path of the interpreter. `DEFACTO_ANALYSTS_PYTHON` names one that has the packages.
 * @throws StarterError with what was tried
 */
export function pythonOfAnalysts(): Promise<string> {
  return pythonWith({
    name: 'Analysts',
    requirements: join(import.meta.dirname, 'analysts-requirements.txt'),
    imports: 'duckdb, networkx, pandas, pyarrow, scipy',
    variable: 'DEFACTO_ANALYSTS_PYTHON',
    takes: 'half a minute',
  })
}
