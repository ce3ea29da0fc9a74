/** A space with pipelines for the benchmark, as workers and clients of the orchestrator get it. */
import { join } from 'node:path'
import type { OpenedSpace } from '../activities/index.ts'
import { Defacto } from '../src/index.ts'
import { inputReaders } from '../src/input-readers.ts'
import type { ProjectAccess } from '../src/orchestration/contract.ts'
import { createControl } from '../src/orchestration/control.ts'
import { createMetrics } from '../src/orchestration/metrics/registry.ts'
import { readPipeline } from '../src/orchestration/pipeline/read.ts'
import { noTrace } from '../src/telemetry/trace.ts'

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
const AGE = 180 * 86_400_000
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
  const project: ProjectAccess = {
    folder,
    pipelines: async () =>
      new Map(Object.entries(PIPELINES).map(([name, body]) => [name, { pipeline: readPipeline(name, body), body }])),
    resolve: (text) => text,
    pools: {},
    metadata: { runs: AGE, logs: AGE, ticks: AGE, checks: AGE, deadLetters: AGE },
  }
  const operations = defacto.operations()
  const context = {
    operations,
    project,
    inputs: inputReaders(project, operations.log.inputs),
    clock: () => new Date(),
    metrics: createMetrics(),
    trace: noTrace,
    package: '0.0.0',
    engine: 'temporal',
  } as const
  return { defacto, context, control: createControl(context) }
}
