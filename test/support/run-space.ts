/** What workers and clients of the orchestrator need of a space, over an engine that is open: no project on disk. */

import type { Defacto } from '../../src/index.ts'
import { inputReaders } from '../../src/input-readers.ts'
import type { Control, Orchestration, ProjectAccess } from '../../src/orchestration/contract.ts'
import { createControl } from '../../src/orchestration/control.ts'
import { createMetrics } from '../../src/orchestration/metrics/registry.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { noTrace } from '../../src/telemetry/trace.ts'

export interface RunSpaceOptions {
  /** Paths of inputs begin here. */
  readonly folder: string
  readonly pipelines: Readonly<Record<string, object>>
  /** What references in texts mean; default: themselves. */
  readonly resolve?: (text: string) => string
  readonly engine?: 'temporal' | 'local'
}

const AGE = 180 * 86_400_000
const METADATA = { runs: AGE, logs: AGE, ticks: AGE, checks: AGE, deadLetters: AGE } as const

export function runSpace(
  defacto: Defacto,
  { folder, pipelines, resolve = (text) => text, engine = 'temporal' }: RunSpaceOptions,
): { readonly defacto: Defacto; readonly context: Orchestration; readonly control: Control } {
  const project: ProjectAccess = {
    folder,
    pipelines: async () =>
      new Map(Object.entries(pipelines).map(([name, body]) => [name, { pipeline: readPipeline(name, body), body }])),
    resolve,
    pools: {},
    metadata: METADATA,
  }
  const operations = defacto.operations()
  const context: Orchestration = {
    operations,
    project,
    inputs: inputReaders(project, operations.log.inputs),
    clock: () => new Date(),
    metrics: createMetrics(),
    trace: noTrace,
    package: '0.1.0',
    engine,
  }
  return { defacto, context, control: createControl(context) }
}
