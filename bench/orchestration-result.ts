/** What orchestration adds to the work it drives. */
import { align, machineText, mebibytes, number } from './print.ts'
import type { Cost } from './result.ts'

/** Of several measurements, in the unit of each. */
export interface Spread {
  readonly median: number
  readonly p95: number
  readonly least: number
  readonly most: number
  readonly count: number
}

/** Where the time of an empty step goes, milliseconds; all but the first per step. Waits overlap with work elsewhere. */
export interface Split {
  /** Of the whole run: from the request to the first event of its history, and from the last one to the answer. */
  readonly client: number
  readonly tasks: number
  readonly taskWait: number
  readonly taskWork: number
  readonly activities: number
  readonly activityWait: number
  readonly activityWork: number
  readonly databaseCalls: number
  readonly database: number
  /** Processor time of the worker's process. */
  readonly cpu: number
}

export interface EmptyRuns {
  readonly steps: number
  readonly perStep: Spread
  readonly split: Split
  readonly idle: Spread
  readonly load: number
}

export interface BuildPair {
  readonly direct: Cost
  /** `server`: of the orchestrator's server. */
  readonly run: Cost
  readonly load: number
}

export interface Recovery {
  readonly heartbeatMs: number
  /** From the kill to the first chunk that the other worker committed. */
  readonly ms: number
  /** Chunks that both committed together, and those of an undisturbed build. */
  readonly chunks: number
  readonly undisturbed: number
  readonly load: number
}

export interface ManySpaces {
  readonly spaces: number
  /** Start of a run after its slot. */
  readonly late: Spread
  /** Slots whose run never began because a later one took its place. */
  readonly left: number
  /** Requests for work that wait at the server. */
  readonly polls: number
  /** Processor time of the process per run of two workflows beside the schedule's own, milliseconds. */
  readonly cpuPerRun: number
  /** The same per second without work. */
  readonly idleCpu: number
  readonly rss: number
  readonly load: number
}

export interface IngestMemory {
  readonly records: number
  /** Most of what belongs to the process alone, and most of all resident memory, bytes. */
  readonly anonymous: number
  readonly rss: number
}

export interface OrchestrationResult {
  readonly server: string
  readonly events: number
  readonly builds: readonly BuildPair[]
  readonly empty: EmptyRuns | null
  readonly recovery: readonly Recovery[]
  readonly many: ManySpaces | null
  readonly memory: readonly IngestMemory[]
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : number(value)} ms`
const load = (value: number): string => `load ${value.toFixed(1)}`

/** Those of a whole run; `--parts` takes some. */
export const PARTS = ['builds', 'empty', 'recovery', 'many', 'memory'] as const

export function orchestrationText(result: OrchestrationResult): string {
  const { server, builds, empty, recovery, many, memory } = result
  const lines = [
    '',
    `Orchestration on SQLite, server: ${server}`,
    ...(builds.length === 0 ? [] : buildsText(result)),
    ...(empty === null ? [] : emptyText(empty)),
    ...recovery.map(
      ({ heartbeatMs, ms: all, chunks, undisturbed, load: now }) =>
        `recovery: first chunk ${ms(all - heartbeatMs)} after the heartbeat timeout of ${ms(heartbeatMs)}, target 2 000 ms; ${chunks} chunks, ${undisturbed} undisturbed; ${load(now)}`,
    ),
    ...(many === null ? [] : manyText(many)),
    ...memory.map(
      ({ records, anonymous, rss }) =>
        `ingest run: ${number(records)} records, ${mebibytes(anonymous)} of its own, ${mebibytes(rss)} resident`,
    ),
    '',
    machineText(),
  ]
  return `${lines.join('\n')}\n`
}

function buildsText({ builds, events }: OrchestrationResult): string[] {
  const overs = builds.map(({ direct, run }) => ({
    clock: run.ms / direct.ms - 1,
    processor: (run.cpu - run.server) / direct.cpu - 1,
  }))
  return [
    `first build of ${number(events)} events, target less than 5 % more:`,
    ...align([
      ['', 'direct', 'as a run', '', 'by clock', 'by processor', 'of the server', ''],
      ...builds.map(({ direct, run, load: now }, i) => [
        '',
        ms(direct.ms),
        ms(run.ms),
        '',
        more(overs[i]?.clock),
        more(overs[i]?.processor),
        ms(run.server),
        load(now),
      ]),
      [
        'median',
        '',
        '',
        '',
        more(median(overs.map(({ clock }) => clock))),
        more(median(overs.map(({ processor }) => processor))),
      ],
    ]),
  ]
}

function emptyText({ steps, perStep, split, idle, load: now }: EmptyRuns): string[] {
  return [
    `empty run of ${steps} steps, each: ${spread(perStep)}; target 100 ms; ${load(now)}`,
    `  client: ${ms(split.client)} for the run`,
    `  workflow: ${split.tasks.toFixed(1)} tasks that wait ${ms(split.taskWait)} and take ${ms(split.taskWork)}`,
    `  activities: ${split.activities.toFixed(1)} that wait ${ms(split.activityWait)} and take ${ms(split.activityWork)}`,
    `  database: ${split.databaseCalls.toFixed(1)} calls to the run log, ${ms(split.database)}`,
    `  processor time of the process: ${ms(split.cpu)}`,
    `run that skip_if_idle ends: ${spread(idle)}; target 300 ms; ${load(now)}`,
  ]
}

function manyText({ spaces, late, left, polls, cpuPerRun, idleCpu, rss, load: now }: ManySpaces): string[] {
  return [
    `${spaces} spaces: start after the slot ${spread(late)}, most ${ms(late.most)}, ${left} left out; target 5 000 ms; ${load(now)}`,
    `  ${polls} polls open, ${ms(cpuPerRun)} processor time per run, ${ms(idleCpu)} processor time per idle second, ${mebibytes(rss)}`,
  ]
}

function more(share = 0): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`
}

function spread({ median: middle, p95, count }: Spread): string {
  return `median ${ms(middle)}, p95 ${ms(p95)} of ${count}`
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
