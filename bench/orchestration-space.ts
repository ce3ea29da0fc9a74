/** A space with pipelines for the benchmark, as workers and clients of the orchestrator get it. */
import { join } from 'node:path'
import type { OpenedSpace } from '../activities/index.ts'
import { Defacto } from '../src/index.ts'
import { runSpace } from '../test/support/run-space.ts'

export interface SpacePlace {
  readonly database: string
  /** Paths of inputs begin here. */
  readonly folder: string
  /** Folder of the archive; left out: none. */
  readonly archive?: string
}

export interface BenchSpace extends OpenedSpace {
  readonly defacto: Defacto
}

const DEFINITIONS = join(import.meta.dirname, '..', 'definitions')
/** Shortly after the generator's last records. */
const CLOCK = '2024-05-01T00:00:00Z'

const INPUTS = {
  app: { source: 'app', kind: 'files', path: 'in/app*.ndjson', settle: '0s', on_error: { max_ratio: 0.1 } },
}
export const NIGHTLY_STEPS = ['ingest', 'build', 'tick', 'check', 'flush', 'prune', 'maintain'] as const
export const PIPELINES: Readonly<Record<string, object>> = {
  nightly: { inputs: INPUTS, steps: NIGHTLY_STEPS, checks: { history: { kind: 'history_valid' } } },
  idle: { inputs: INPUTS, steps: ['ingest', 'build', 'tick'], skip_if_idle: true },
  due: { steps: ['build'], schedule: { every: '1m' } },
}

export async function openBenchSpace({ database, folder, archive }: SpacePlace): Promise<BenchSpace> {
  const defacto = await Defacto.fromDirectory(DEFINITIONS, {
    database,
    catchUp: false,
    clock: () => new Date(CLOCK),
    logLevel: 'ERROR',
    ...(archive === undefined ? {} : { coldLedger: archive }),
  })
  return runSpace(defacto, { folder, pipelines: PIPELINES })
}
