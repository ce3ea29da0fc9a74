/** The stages of the sample run, in the order in which a nightly job would do them. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildResult, Defacto, Definitions, type TickResult, type TierStatus } from '../../index.ts'
import type { Context } from '../context.ts'
import { seconds } from '../summary.ts'
import { type CheckOutcome, runChecks } from './checks.ts'
import type { SpaceFacts } from './facts.ts'
import { ingestPart } from './ingest.ts'
import { type Delivery, deliveriesOf, type SampleManifest } from './manifest.ts'
import { Marks, type PartCounts } from './marks.ts'
import type { SamplePlace } from './place.ts'
import { recordsOf, type SampleRecords } from './records.ts'
import { type NamedDatabase, sampleCold, tierSample } from './tiers.ts'

/** Records per transaction (spec 10 §3.2 `batch`). */
const BATCH = 500

export interface Stage {
  readonly stage: string
  readonly ms: number
  readonly detail: string
}

export interface SampleRun {
  readonly stages: readonly Stage[]
  readonly version: string
  /** True if every file had been read by an earlier run. */
  readonly nothingNew: boolean
  readonly builds: readonly BuildResult[]
  readonly tick: TickResult
  readonly records: SampleRecords
  readonly facts: SpaceFacts
  readonly tiers: TierStatus
  readonly checks: readonly CheckOutcome[]
}

/** Schema of the sample in a database that others may use, too. */
const NAMESPACE = 'defacto_sample'

/** The database somebody named for the sample; undefined: a file in the sample's own folder. */
export function namedDatabase({ globals, env }: Context): NamedDatabase | undefined {
  const database = globals.database ?? env['DEFACTO_DATABASE']
  return database === undefined ? undefined : { database, namespace: globals.namespace ?? NAMESPACE }
}

/** Opens the sample's space; its clock stands at the end of the data. */
export async function openSample(place: SamplePlace, manifest: SampleManifest, context: Context): Promise<Defacto> {
  // Marks, archive and reports lie there wherever the database does.
  await mkdir(place.state, { recursive: true })
  const named = namedDatabase(context)
  return Defacto.fromDirectory(place.definitions, {
    ...(named ?? { database: join(place.state, 'defacto.db') }),
    coldLedger: sampleCold(place, named),
    deadLetter: { type: 'file', path: join(place.state, 'dead-letters.jsonl') },
    clock: () => new Date(manifest.clock),
    batchSize: BATCH,
    catchUp: false,
    logLevel: context.output.verbose ? 'DEBUG' : 'ERROR',
  })
}

/** One line on stderr per stage, with counts and time. */
export class Stages {
  readonly done: Stage[] = []
  readonly #note: (text: string) => void

  constructor(note: (text: string) => void) {
    this.#note = note
  }

  async run<T>(stage: string, work: () => Promise<T>, detail: (result: T) => string): Promise<T> {
    const started = performance.now()
    const result = await work()
    const ms = performance.now() - started
    const line = { stage, ms: Math.round(ms), detail: detail(result) }
    this.done.push(line)
    this.#note(`${stage.padEnd(16)}${line.detail.padEnd(70)} ${seconds(ms)}`)
    return result
  }
}

export async function runSample(
  defacto: Defacto,
  place: SamplePlace,
  manifest: SampleManifest,
  context: Context,
): Promise<SampleRun> {
  const { signal } = context
  const stages = new Stages((text) => context.output.note(text))
  await stages.run('check', () => Definitions.fromDirectory(place.definitions), checkDetail)

  const marks = await Marks.load(place.state, (await defacto.stats()).spaceId)
  const parts = new Map<string, PartCounts>()
  const builds: BuildResult[] = []
  const deliveries = deliveriesOf(manifest)
  let fresh = 0
  for (const delivery of deliveries) {
    const open = await openParts(delivery, place.data, marks, parts)
    if (open.length > 0) {
      fresh += open.length
      const ingest = async (): Promise<void> => {
        for (const part of open) {
          const path = join(place.data, part.file)
          await marks.set(path, null)
          const counts = await ingestPart(defacto, place.data, part, signal)
          await marks.set(path, counts)
          parts.set(part.file, counts)
        }
      }
      await stages.run(`ingest ${delivery.month}`, ingest, () => ingestDetail(open.map((part) => parts.get(part.file))))
    } else if (delivery === deliveries.at(-1) && fresh === 0) {
      await stages.run(
        'ingest',
        async () => undefined,
        () => `nothing new: all ${manifest.parts.length} files were read before`,
      )
    }
    // Each delivery is built before the next is read; one that an earlier run has built is left alone.
    if (open.length > 0 || isNewest(delivery, deliveries, place.data, marks)) {
      const name = open.length > 0 ? `build ${delivery.month}` : 'build'
      builds.push(await stages.run(name, () => defacto.build({ asOf: delivery.asOf, signal }), buildDetail))
    }
  }
  const tick = await stages.run('tick', () => defacto.tick({ asOf: manifest.clock }), tickDetail)
  const runStage: Stages['run'] = (...stage) => stages.run(...stage)
  const { status, facts, check } = await tierSample(defacto, manifest.clock, runStage, signal)
  const records = await recordsOf(defacto, manifest, parts)
  const ask = async (): Promise<CheckOutcome[]> => [...(await runChecks(defacto, manifest, records)), check]
  const checks = await stages.run('checks', ask, checksDetail)
  context.output.note(`${'digest'.padEnd(16)}${facts.digest.slice(0, 16)}`)
  return {
    stages: stages.done,
    version: defacto.activeVersion,
    nothingNew: fresh === 0,
    builds,
    tick,
    records,
    facts,
    tiers: status,
    checks,
  }
}

/** Parts of a delivery that have to be read; the counts of the others are taken from their marks. */
async function openParts(
  delivery: Delivery,
  folder: string,
  marks: Marks,
  parts: Map<string, PartCounts>,
): Promise<Delivery['parts'][number][]> {
  const open = []
  for (const part of delivery.parts) {
    const counts = await marks.done(join(folder, part.file))
    if (counts === undefined) open.push(part)
    else parts.set(part.file, counts)
  }
  return open
}

/** True if nothing after this delivery was begun so far: what is pending then belongs to it. */
function isNewest(delivery: Delivery, deliveries: readonly Delivery[], folder: string, marks: Marks): boolean {
  const later = deliveries.slice(deliveries.indexOf(delivery) + 1).flatMap(({ parts }) => parts)
  return later.every((part) => !marks.begun(join(folder, part.file)))
}

function checkDetail(definitions: Definitions): string {
  const { entities, sources, schemas } = definitions.toObject()
  const { warnings } = definitions.validate()
  const size = (kind: object): number => Object.keys(kind).length
  return `${size(entities)} entities, ${size(sources)} sources, ${size(schemas)} schemas, no errors, ${warnings.length} warnings`
}

function ingestDetail(parts: readonly (PartCounts | undefined)[]): string {
  const sum = (key: 'read' | 'ingested' | 'duplicates' | 'failed'): number =>
    parts.reduce((total, part) => total + (part?.[key] ?? 0), 0)
  return `${sum('read')} records: ${sum('ingested')} new, ${sum('duplicates')} repeated, ${sum('failed')} dead`
}

function buildDetail(result: BuildResult): string {
  if (result.mode === 'SKIP') return 'SKIP: nothing to do'
  const { mode, eventsProcessed, entitiesCreated, mergesDetected, lateArrivals } = result
  return `${mode}: ${eventsProcessed} events, ${entitiesCreated} entities, ${mergesDetected} merges, ${lateArrivals} late`
}

function tickDetail(result: TickResult): string {
  return `${result.entitiesAffected} entities, ${result.transitions} transitions`
}

function checksDetail(checks: readonly CheckOutcome[]): string {
  const failed = checks.filter((check) => !check.passed)
  if (failed.length === 0) return `${checks.length} passed`
  return failed.map((check) => `${check.name} failed: ${check.detail}`).join('; ')
}
