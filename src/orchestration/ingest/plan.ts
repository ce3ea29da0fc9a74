/** What there is to read: parts that are new, changed, or not read to their end (spec 10 §3.3, §4.3). */
import { ThresholdError } from '../../errors.ts'
import type { InputPart, InputReader } from '../../ports/inputs.ts'
import type { InputMark, NewRunEvent, RunRow } from '../../ports/runs.ts'
import type { Orchestration, StepFunction } from '../contract.ts'
import { inputOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { type Job, jobOf, jobOfInput } from './job.ts'
import { claimed, progressOf } from './marks.ts'
import { retriedRuns } from './retried.ts'
import { windowParts } from './window.ts'

/** Cursor of an ingest run that has its parts; where it is in each, the marks say. */
const PLANNED = { planned: true }
/** Parts that an event names. */
const NAMED = 20

/** Claims the parts for the run. One that is planned stays as it is planned, whatever has happened since. */
export const planInput: StepFunction = async (context, { run, fence, signal, heartbeat }) => {
  if (inputOf({ input: run.cursor })['planned'] === true) return { more: false, stats: {} }
  const job = jobOf(context, run)
  const { operations } = context
  const { inputs, runs } = operations.log
  const reader = job.open()
  try {
    const reopened = await retriedRuns(runs, run)
    const found = await sift(reader, job, await inputs.marks(job.pipeline, job.input), { run, reopened })
    signal.throwIfAborted()
    const at = nowText(context)
    const events = eventsOf(job, found, run)
    if (events.length > 0) await runs.log(run.runId, at, events)
    if (job.required && found.open.length === 0) throw missing(job, found)
    await operations.unit({ fence }, async (unit) => {
      for (const { part, before, begin } of found.open) {
        await inputs.putMark(unit, claimed(job, part, before, begin, { runId: run.runId, at }), before)
      }
      const add = { parts: found.open.length, parts_held: found.held.length, parts_waiting: found.young.length }
      await runs.advance(unit, fence, { at, cursor: PLANNED, add })
    })
    heartbeat({ runId: run.runId, seq: 0, rows: 0 })
  } finally {
    await reader.close()
  }
  return { more: false, stats: {} }
}

/** True if a run of the pipeline would open a part of any input, or finds records pushed for one (`skip_if_idle`). */
export async function hasNewParts(
  context: Orchestration,
  pipeline: Parameters<typeof jobOfInput>[1],
): Promise<boolean> {
  const { inputs } = context.operations.log
  for (const input of pipeline.inputs) {
    const job = jobOfInput(context, pipeline, input)
    const reader = job.open()
    try {
      const found = await sift(reader, job, await inputs.marks(job.pipeline, job.input), null)
      for (const { part, before } of found.open) if (await hasRecords(reader, part, before)) return true
    } finally {
      await reader.close()
    }
  }
  return false
}

/** What has no end may have nothing new; everything else is new if it is to be opened. */
async function hasRecords(reader: InputReader, part: InputPart, before: InputMark | null): Promise<boolean> {
  if (!part.endless) return true
  // Where it was, not where a run begins: what overlaps is known.
  const begin = before?.fingerprint === part.fingerprint ? progressOf(before).at : null
  for await (const { records } of reader.read(part, begin, { batch: 1, signal: new AbortController().signal })) {
    return records.length > 0
  }
  return false
}

interface Sifted {
  readonly open: {
    readonly part: InputPart
    readonly before: InputMark | null
    readonly begin: InputMark['position']
  }[]
  readonly held: InputMark[]
  readonly young: InputPart[]
}

/** `of`: the run to claim them for, and those whose held parts it opens; null: only to see. */
async function sift(
  reader: InputReader,
  job: Job,
  known: readonly InputMark[],
  of: { readonly run: RunRow; readonly reopened: ReadonlySet<string> } | null,
): Promise<Sifted> {
  const marks = new Map(known.map((mark) => [mark.part, mark]))
  const found: Sifted = { open: [], held: [], young: [] }
  const bounds = { from: of?.run.windowFrom ?? null, to: of?.run.windowTo ?? null }
  const window = job.of?.kind === 'files' || job.of?.kind === 's3' ? job.of.window : null
  for (const part of windowParts(await reader.parts(), window, bounds)) {
    const before = marks.get(part.part) ?? null
    const isSame = before?.fingerprint === part.fingerprint
    if (before?.state === 'held' && !(before.runId !== null && of?.reopened.has(before.runId))) found.held.push(before)
    else if (before?.state === 'done' && isSame && !part.endless) continue
    else if (!part.settled && !isSame) found.young.push(part)
    else {
      const at = before === null ? null : progressOf(before).at
      const begin = before === null ? null : await reader.begin(part, { fingerprint: before.fingerprint, position: at })
      found.open.push({ part, before, begin })
    }
  }
  return found
}

function eventsOf(job: Job, { held, young }: Sifted, run: RunRow): NewRunEvent[] {
  const about = (parts: readonly { readonly part: string }[]) => ({
    input: job.input,
    count: parts.length,
    parts: parts.slice(0, NAMED).map(({ part }) => part),
  })
  const events: NewRunEvent[] = []
  if (held.length > 0) {
    const by = [...new Set(held.map(({ runId }) => runId ?? ''))].slice(0, NAMED)
    events.push({
      kind: 'log',
      level: 'warn',
      step: run.step,
      code: 'E_INPUT_HELD',
      message: `${held.length} of the parts of '${job.input}' are held and left out; retry the run that held them`,
      data: { ...about(held), runs: by },
    })
  }
  if (young.length > 0) {
    const message = `${young.length} of the parts of '${job.input}' are too young and wait for the next run`
    events.push({ kind: 'log', level: 'info', step: run.step, message, data: about(young) })
  }
  return events
}

function missing(job: Job, { held, young }: Sifted): ThresholdError {
  return new ThresholdError(
    `input '${job.input}' has no new part (${held.length} held, ${young.length} too young); check that its source delivers`,
    { code: 'E_INPUT_MISSING', details: { input: job.input, held: held.length, waiting: young.length } },
  )
}
