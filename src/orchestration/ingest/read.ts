/** Reading the parts of a run, chunk by chunk: rows, dead letters, mark and counters together (spec 10 §3.3, §4.3). */
import { DefactoError } from '../../errors.ts'
import type { InputBatch, InputReader } from '../../ports/inputs.ts'
import type { ChunkCounts } from '../../ports/operations.ts'
import type { InputMark, NewRunEvent } from '../../ports/runs.ts'
import type { Unit } from '../../ports/store.ts'
import { threshold } from '../alerts/events.ts'
import { alertsOf } from '../alerts/rules.ts'
import type { Orchestration, StepCall, StepFunction } from '../contract.ts'
import { nowText } from '../time.ts'
import { type Job, jobOf } from './job.ts'
import { progressOf, readOn } from './marks.ts'
import { isExceeded, isWorst, totals } from './threshold.ts'

const NOTHING: ChunkCounts = { read: 0, ingested: 0, duplicates: 0, failed: 0 }

/** Goes on with every part of the run that is not read to its end. Stops by the signal at the next chunk boundary. */
export const ingestPart: StepFunction = async (context, call) => {
  const job = jobOf(context, call.run)
  const { inputs } = context.operations.log
  const marks = (await inputs.marks(job.pipeline, job.input)).filter(({ runId }) => runId === call.run.runId)
  const open = marks.filter(({ state }) => state === 'open').sort((a, b) => (a.part < b.part ? -1 : 1))
  if (open.length === 0) return { more: false, stats: {} }
  const reader = job.open()
  try {
    await new Reading(context, call, job, reader, marks).all(open)
  } finally {
    await reader.close()
  }
  return { more: false, stats: {} }
}

class Reading {
  readonly #context: Orchestration
  readonly #call: StepCall
  readonly #job: Job
  readonly #reader: InputReader
  /** All parts of the run as they are stored. */
  readonly #marks: Map<string, InputMark>
  /** Where one part fails, the others stop at their next chunk. */
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #chunks = 0
  #rows = 0
  #warned: boolean

  constructor(context: Orchestration, call: StepCall, job: Job, reader: InputReader, marks: readonly InputMark[]) {
    this.#context = context
    this.#call = call
    this.#job = job
    this.#reader = reader
    this.#marks = new Map(marks.map((mark) => [mark.part, mark]))
    this.#signal = AbortSignal.any([call.signal, this.#stop.signal])
    this.#warned = isExceeded(totals(marks), job.onError)
  }

  /** In the order of the parts, as many at once as the input allows. */
  async all(open: readonly InputMark[]): Promise<void> {
    const queue = [...open]
    const work = async (): Promise<void> => {
      for (let mark = queue.shift(); mark !== undefined; mark = queue.shift()) {
        this.#signal.throwIfAborted()
        await this.#part(mark)
      }
    }
    const workers = Array.from({ length: Math.min(this.#job.parallel, open.length) }, async () => {
      try {
        await work()
      } catch (error) {
        this.#stop.abort(error)
        throw error
      }
    })
    await Promise.allSettled(workers)
    this.#signal.throwIfAborted()
  }

  async #part(claimed: InputMark): Promise<void> {
    const { part, fingerprint } = claimed
    let mark = claimed
    try {
      const from = { part, fingerprint, settled: true }
      const options = { batch: this.#job.batch, signal: this.#signal }
      for await (const batch of this.#reader.read(from, progressOf(mark).at, options)) {
        mark = await this.#chunk(mark, batch)
        if (mark.state !== 'open') break
        this.#signal.throwIfAborted()
      }
    } catch (error) {
      if (!(error instanceof DefactoError && error.code === 'E_INPUT_CHANGED')) throw error
      await this.#release(mark, error.code)
    }
  }

  async #chunk(mark: InputMark, batch: InputBatch): Promise<InputMark> {
    const { operations } = this.#context
    const { fence, run } = this.#call
    const { source, onError, staged } = this.#job
    const version = run.version ?? undefined
    const at = nowText(this.#context)
    let next = mark
    const commit = async (unit: Unit, counts: ChunkCounts): Promise<void> => {
      next = this.#judged(readOn(mark, batch, counts, at), counts)
      await operations.log.inputs.putMark(unit, next, mark)
      if (staged) await operations.log.inputs.dropInbox(unit, mark.part, Number(batch.position))
    }
    const counts =
      batch.records.length === 0
        ? await operations.unit({ fence }, async (unit) => {
            await commit(unit, NOTHING)
            return NOTHING
          })
        : await operations.ingestChunk(
            { fence, signal: this.#call.signal, around: this.#call.around },
            { source, version, records: batch.records, deadLetters: onError.deadLetters },
            commit,
          )
    this.#marks.set(next.part, next)
    this.#count(counts)
    if (next.state === 'held') await this.#say(next, 'held')
    else if (onError.action === 'warn') await this.#warn()
    return next
  }

  /** Held, if its failures are too many and no other part is worse: such a one is judged when everything is read. */
  #judged(next: InputMark, counts: ChunkCounts): InputMark {
    const { onError } = this.#job
    if (onError.action !== 'fail' || counts.failed === 0) return next
    const marks = new Map(this.#marks).set(next.part, next).values().toArray()
    return isExceeded(totals(marks), onError) && isWorst(next, marks, onError) ? { ...next, state: 'held' } : next
  }

  #count(counts: ChunkCounts): void {
    this.#chunks += 1
    this.#rows += counts.read
    const { metrics } = this.#context
    for (const outcome of ['ingested', 'duplicates', 'failed'] as const) {
      if (counts[outcome] > 0)
        metrics.count('defacto_events_total', { source: this.#job.source, outcome }, counts[outcome])
    }
    this.#call.heartbeat({ runId: this.#call.run.runId, seq: this.#chunks, rows: this.#rows })
  }

  /** The part belongs to no run any more; the next one looks at it anew. */
  async #release(mark: InputMark, code: string): Promise<void> {
    const { operations } = this.#context
    const released = { ...mark, runId: null, updatedAt: nowText(this.#context) }
    await operations.unit({ fence: this.#call.fence }, (unit) => operations.log.inputs.putMark(unit, released, mark))
    this.#marks.delete(mark.part)
    const message = `a part of '${mark.input}' changed or went away while it was read; it is left to the next run`
    await this.#log({ kind: 'log', level: 'warn', code, message, data: { input: mark.input, part: mark.part } })
  }

  async #warn(): Promise<void> {
    if (this.#warned || !isExceeded(totals(this.#marks.values()), this.#job.onError)) return
    this.#warned = true
    await this.#say(null, 'warn')
  }

  /** Tells people that there are too many failures. */
  async #say(mark: InputMark | null, how: 'held' | 'warn'): Promise<void> {
    const { run, fence } = this.#call
    const { input } = this.#job
    const at = nowText(this.#context)
    const counts =
      mark === null ? totals(this.#marks.values()) : { read: progressOf(mark).read, failed: progressOf(mark).failed }
    const signal = threshold(run, at, input, counts, how === 'held' ? 'error' : 'warn')
    const notifications = await alertsOf(this.#context, this.#job.pinned, [signal])
    const what = mark === null ? 'the run goes on' : 'one of its parts is held, the others go on'
    const message = `too many records of '${input}' failed; ${what}`
    const data = { input, ...counts, ...(mark === null ? {} : { part: mark.part }) }
    const event: NewRunEvent = { kind: 'log', level: 'warn', step: run.step, code: 'E_THRESHOLD', message, data }
    const { runs } = this.#context.operations.log
    await runs.change(run.runId, {}, { at, epoch: fence.epoch, events: [event], notifications })
  }

  async #log(event: NewRunEvent): Promise<void> {
    const { run } = this.#call
    await this.#context.operations.log.runs.log(run.runId, nowText(this.#context), [{ step: run.step, ...event }])
  }
}
