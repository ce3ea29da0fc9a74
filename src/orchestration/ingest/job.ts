/** What an ingest run reads: an input of its pipeline, or what was pushed (spec 10 §3.2, §4.2). */
import { ConfigError } from '../../errors.ts'
import type { InputReader } from '../../ports/inputs.ts'
import type { RunRow } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import type { Input, OnError, Pipeline } from '../model.ts'
import { inputOf, pipelineOf } from '../pinned.ts'

export interface Job {
  /** First two parts of the key of its marks; pushed batches belong to no pipeline. */
  readonly pipeline: string
  readonly input: string
  readonly source: string
  readonly batch: number
  readonly parallel: number
  readonly required: boolean
  readonly onError: OnError
  /** Null: a pushed batch. */
  readonly of: Input | null
  readonly pinned: Pipeline | null
  /** Its records leave the inbox as they are read. */
  readonly staged: boolean
  open(): InputReader
}

/** Of pushed records, and of inputs that say nothing (spec 10 §3.3). */
const ON_ERROR: OnError = { maxRatio: 0.01, maxCount: null, minRecords: 100, action: 'fail', deadLetters: 'table' }
const BATCH = 500

export function jobOf(context: Orchestration, run: RunRow): Job {
  const { input, inbox, source } = inputOf(run)
  if (typeof inbox === 'string' && typeof source === 'string') return pushed(context, inbox, source)
  const pipeline = pipelineOf(run)
  const found = pipeline?.inputs.find(({ name }) => name === input)
  if (pipeline === null || found === undefined) {
    throw new ConfigError('this run names no input of its pipeline; submit it with an input, or push its records')
  }
  return jobOfInput(context, pipeline, found)
}

export function jobOfInput(context: Orchestration, pipeline: Pipeline, input: Input): Job {
  const { source, batch, parallel, required, onError } = input
  return {
    pipeline: pipeline.name,
    input: input.name,
    source,
    batch,
    parallel,
    required,
    onError,
    of: input,
    pinned: pipeline,
    staged: input.kind === 'inbox',
    open: () => context.inputs.open(input),
  }
}

function pushed(context: Orchestration, batchId: string, source: string): Job {
  return {
    pipeline: '',
    input: 'inbox',
    source,
    batch: BATCH,
    parallel: 1,
    required: false,
    onError: ON_ERROR,
    of: null,
    pinned: null,
    staged: true,
    open: () => context.inputs.openInbox(batchId),
  }
}
