/** A Python with Airflow, to run the sample DAGs as Airflow does. */
import { join } from 'node:path'
import { pythonWith } from './python.ts'

/**
 * Path of the interpreter. `DEFACTO_AIRFLOW_PYTHON` names one that has the packages.
 * @throws StarterError with what was tried
 */
export function pythonWithAirflow(): Promise<string> {
  return pythonWith({
    name: 'Airflow',
    requirements: join(import.meta.dirname, 'airflow-requirements.txt'),
    imports: 'airflow',
    variable: 'DEFACTO_AIRFLOW_PYTHON',
    takes: 'a minute',
  })
}
