/** The sample run: the nightly pipeline from its inputs to a space that two tiers answer for. */
import { copyFile, mkdir, rename, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { type Defacto, Definitions, type TierStatus } from '../../index.ts'
import type { Control } from '../../orchestration/contract.ts'
import type { Operations } from '../../ports/operations.ts'
import type { CheckResult, RunRow } from '../../ports/runs.ts'
import type { Context } from '../context.ts'
import { failureOf } from '../runs/failure.ts'
import { hasEnded } from '../runs/lines.ts'
import { watchRun } from '../runs/watch.ts'
import { accounting, type CheckOutcome, pipelineOutcome } from './checks.ts'
import { type SampleEngine, sampleEngine } from './engine.ts'
import { factsOf, type SpaceFacts } from './facts.ts'
import { deliveriesOf, type SampleManifest, type SamplePart } from './manifest.ts'
import type { SamplePlace } from './place.ts'
import { recordsOf, type SampleRecords } from './records.ts'
import { type Stage, Stages } from './stages.ts'
import { tiersAgree } from './tiers.ts'

export const PIPELINE = 'nightly'
/** So many results of a check are looked through for this run's. */
const CHECKS_BACK = 100

export interface SampleRun {
  readonly stages: readonly Stage[]
  readonly version: string
  readonly run: RunRow
  readonly engine: 'temporal' | 'local'
  /** True if every file had been read by an earlier run. */
  readonly nothingNew: boolean
  readonly buildModes: readonly string[]
  readonly records: SampleRecords
  readonly facts: SpaceFacts
  readonly tiers: TierStatus
  readonly checks: readonly CheckOutcome[]
}

export async function runSample(
  defacto: Defacto,
  place: SamplePlace,
  manifest: SampleManifest,
  clock: () => Date,
  context: Context,
): Promise<SampleRun> {
  const stages = new Stages(context.output)
  await stages.run('check', () => Definitions.fromDirectory(place.definitions), checkDetail)
  const engine = await sampleEngine(defacto, place, clock, context, stages)
  try {
    let run: RunRow | undefined
    let fresh = 0
    for (const delivery of deliveriesOf(manifest)) {
      await arrive(place, delivery.parts)
      const last = delivery.asOf === manifest.clock
      if (!last && (await isDone(engine, delivery.asOf))) continue
      context.output.note(`night of ${delivery.asOf.slice(0, 10)}`)
      run = await runPipeline(engine, delivery.asOf, context, stages)
      const failure = failureOf(run)
      if (failure !== undefined) throw failure
      fresh += await recordsRead(engine, run)
    }
    return await outcomeOf(defacto, engine, run as RunRow, fresh, manifest, stages, context)
  } finally {
    await engine.stop()
  }
}

/** Files come as they were made: one that has come is not touched again. */
async function arrive({ data, arrived }: SamplePlace, parts: readonly SamplePart[]): Promise<void> {
  const folder = join(arrived, 'infra', 'sample')
  await mkdir(folder, { recursive: true })
  for (const { file } of parts) {
    const [from, to] = [join(data, file), join(folder, file)]
    const [made, came] = [await stat(from), await stat(to).catch(() => null)]
    if (came?.size === made.size && Math.floor(came.mtimeMs) === Math.floor(made.mtimeMs)) continue
    await copyFile(from, `${to}.new`)
    await utimes(`${to}.new`, made.atime, made.mtime)
    await rename(`${to}.new`, to)
  }
}

/** An earlier start has brought this night to its end. */
async function isDone({ orchestrator }: SampleEngine, asOf: string): Promise<boolean> {
  const done = await orchestrator.log.runs.list({ op: ['pipeline'], pipeline: PIPELINE, status: ['succeeded'] })
  return done.some((run) => run.asOf !== null && Date.parse(run.asOf) === Date.parse(asOf))
}

async function recordsRead({ orchestrator }: SampleEngine, run: RunRow): Promise<number> {
  const steps = await orchestrator.log.runs.children(run.runId)
  return steps.reduce((sum, { op, stats }) => sum + (op === 'ingest' ? (stats['events_read'] ?? 0) : 0), 0)
}

/** The run that an earlier start left on the server goes on; else a new one begins. */
async function runPipeline(
  {
    orchestrator: {
      control,
      runner,
      engine,
      context: { operations },
    },
  }: SampleEngine,
  asOf: string,
  context: Context,
  stages: Stages,
): Promise<RunRow> {
  const { runs } = operations.log
  const active = await runs.list({ op: ['pipeline'], pipeline: PIPELINE, status: ['queued', 'running', 'waiting'] })
  let run: RunRow | undefined
  for (const left of active) {
    if (left.engine !== 'temporal') continue
    if (engine === 'temporal' && left.cancelReason === null) run ??= left
    else await abandon({ control, operations }, left)
  }
  if (run === undefined) {
    run = (await control.submit({ op: 'pipeline', pipeline: PIPELINE, asOf })).run
  } else context.output.note(`run ${run.runId}, begun by an earlier start, goes on where it was`)
  const { runId } = run
  await runner.start(control.stepRef(run))
  // On a server it is only left: the next start goes on with it.
  const cancel = async (reason: string): Promise<void> => {
    if (engine === 'temporal') return
    await runner.cancel(await control.requestCancel(runId, reason), reason)
  }
  const watched = {
    id: runId,
    run: async () => (await runs.get(runId)) as RunRow,
    steps: () => runs.children(runId),
    cancel,
  }
  return watchRun(context, watched, { here: true, idleHint: null, onStep: stages.step })
}

/** A run whose server is gone with the process that started it: nobody will go on with it but a new one. */
async function abandon(
  { control, operations }: { readonly control: Control; readonly operations: Operations },
  left: RunRow,
): Promise<void> {
  await control.requestCancel(left.runId, 'its server is gone')
  for (const run of [...(await operations.log.runs.children(left.runId)), left]) {
    if (!hasEnded(run))
      await control.closeRun({ v: 1, space: operations.space, runId: run.runId, failure: null, cancelled: true })
  }
}

async function outcomeOf(
  defacto: Defacto,
  {
    orchestrator: {
      engine,
      context: { operations, project },
    },
  }: SampleEngine,
  run: RunRow,
  fresh: number,
  manifest: SampleManifest,
  stages: Stages,
  context: Context,
): Promise<SampleRun> {
  const { log } = operations
  const { pipeline } = (await project.pipelines()).get(PIPELINE)!
  const steps = await log.runs.children(run.runId)
  const tiers = await defacto.ledger.tiers.status()
  const agreement = await stages.run(
    'both tiers',
    () => tiersAgree(defacto, tiers),
    ({ detail }) => detail,
  )
  const records = await recordsOf(log, pipeline)
  const facts = await factsOf(defacto)
  // Of this run: the clock of every start begins at the end of the data, so the latest may be another start's.
  const own = new Set(steps.map(({ runId }) => runId))
  const results: CheckResult[] = []
  for (const { name } of pipeline.checks)
    results.push(...(await log.checks.history(name, CHECKS_BACK)).filter(({ runId }) => own.has(runId)))
  context.output.note(`${'digest'.padEnd(16)}${facts.digest.slice(0, 16)}`)
  return {
    stages: stages.done,
    version: defacto.activeVersion,
    run,
    engine,
    nothingNew: fresh === 0,
    buildModes: steps.filter(({ op }) => op === 'build').map(({ mode }) => mode ?? 'SKIP'),
    records,
    facts,
    tiers,
    checks: [...results.map(pipelineOutcome), accounting(manifest, records), agreement],
  }
}

function checkDetail(definitions: Definitions): string {
  const { entities, sources, schemas } = definitions.toObject()
  const { warnings } = definitions.validate()
  const size = (kind: object): number => Object.keys(kind).length
  return `${size(entities)} entities, ${size(sources)} sources, ${size(schemas)} schemas, no errors; ${warnings.length} hints: defacto check`
}
