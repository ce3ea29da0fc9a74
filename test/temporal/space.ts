/** A space with pipelines, as workers and clients of the orchestrator get it: real stores, a real run log. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenedSpace } from '../../activities/index.ts'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import { inputReaders } from '../../src/input-readers.ts'
import type { ProjectAccess } from '../../src/orchestration/contract.ts'
import { createControl } from '../../src/orchestration/control.ts'
import { createMetrics } from '../../src/orchestration/metrics/registry.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { noTrace } from '../../src/telemetry/trace.ts'
import { joined, openPeople, people, used } from '../support/people.ts'

export interface Space extends OpenedSpace {
  readonly defacto: Defacto
  close(): Promise<void>
}

export interface SpaceOptions extends DefactoOptions {
  /** Paths of inputs begin here. */
  readonly folder: string
  readonly pipelines: Readonly<Record<string, object>>
  /** What references in texts mean; default: themselves. */
  readonly resolve?: (text: string) => string
}

const AGE = 180 * 86_400_000
const METADATA = { runs: AGE, logs: AGE, ticks: AGE, checks: AGE, deadLetters: AGE } as const

export async function openSpace({
  folder,
  pipelines,
  resolve = (text) => text,
  ...options
}: SpaceOptions): Promise<Space> {
  const defacto = await openPeople(people(), { catchUp: false, clock: () => new Date(), ...options })
  const project: ProjectAccess = {
    folder,
    pipelines: async () =>
      new Map(Object.entries(pipelines).map(([name, body]) => [name, { pipeline: readPipeline(name, body), body }])),
    resolve,
    pools: {},
    metadata: METADATA,
  }
  const operations = defacto.operations()
  const context = {
    operations,
    project,
    inputs: inputReaders(project, operations.log.inputs),
    clock: () => new Date(),
    metrics: createMetrics(),
    trace: noTrace,
    package: '0.1.0',
    engine: 'temporal',
  } as const
  return { defacto, context, control: createControl(context), close: () => defacto.close() }
}

/** `count` people, each with an event more, in one file of records. */
export async function writePeople(path: string, count: number, from = 0): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  const records = Array.from({ length: count }, (_, i) => {
    const mail = `m${from + i}@example.org`
    return [joined(mail, 1 + (i % 9)), used(mail, 10, from + i)]
  })
  await writeFile(
    path,
    records
      .flat()
      .map((record) => `${JSON.stringify(record)}\n`)
      .join(''),
  )
}

/** Reads files and builds; `steps` beside these two. */
export function peoplePipeline(more: object = {}, steps: readonly unknown[] = ['ingest', 'build', 'tick']): object {
  return {
    inputs: { files: { source: 'web', kind: 'files', path: 'in/*.ndjson', settle: '0s' } },
    steps,
    ...more,
  }
}
