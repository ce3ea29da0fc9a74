/** A Python with Dagster: the judge of our side of the Pipes protocol. */
import { join } from 'node:path'
import { pythonWith } from './python.ts'

/**
 * Path of the interpreter. `DEFACTO_DAGSTER_PYTHON` names one that has the packages.
 * @throws StarterError with what was tried
 */
export function pythonWithDagster(): Promise<string> {
  return pythonWith({
    name: 'Dagster',
    requirements: join(import.meta.dirname, 'dagster-requirements.txt'),
    imports: 'dagster, dagster_pipes',
    variable: 'DEFACTO_DAGSTER_PYTHON',
    takes: 'half a minute',
  })
}
