/** The steps of a backfill: one child run per window and input, one window after the other (spec 10 §4.2). */
import type { Json, RunRow } from '../../ports/runs.ts'
import type { NextStep } from '../contract.ts'
import { makeChild } from '../control/child.ts'
import { ACTIVE, type ControlContext, hasEnded, stepRefOf } from '../control/common.ts'
import { inputOf, pipelineOf } from '../pinned.ts'
import { nowText } from '../time.ts'
import { type Window, windowsOf } from './windows.ts'

/** Where it is stands in the run's cursor: windows before it have ended, however. */
export async function nextWindows(context: ControlContext, run: RunRow): Promise<NextStep> {
  const windows = windowsOf(run)
  const before = positionOf(run)
  for (let at = before; at < windows.length; at++) {
    const active = await startWindow(context, run, windows[at] as Window)
    if (active.length === 0) continue
    if (at !== before) await store(context, run, at)
    return { steps: active.map((child) => stepRefOf(context, child)), parallel: active.length, done: false }
  }
  await store(context, run, windows.length)
  return { steps: [], parallel: 1, done: true }
}

function positionOf({ cursor }: RunRow): number {
  const at = (cursor as { readonly window?: Json } | null)?.window
  return typeof at === 'number' ? at : 0
}

async function store(context: ControlContext, run: RunRow, window: number): Promise<void> {
  const change = { cursor: { window } }
  await context.operations.log.runs.change(run.runId, change, { at: nowText(context), from: ACTIVE })
}

/** Runs of the window that have not ended; they are made the first time. */
async function startWindow(context: ControlContext, run: RunRow, window: Window): Promise<readonly RunRow[]> {
  const input = inputOf(run)
  const op = input['op'] === 'ingest' || input['op'] === 'tick' ? input['op'] : 'build'
  const pipeline = input['pipeline'] ?? null
  const wanted: (readonly [name: string, given: Json])[] =
    op === 'ingest'
      ? inputsOf(run).map((name) => [name, { input: name, pipeline }] as const)
      : [[op, { version: input['version'] ?? null }]]
  const head = await context.operations.head()
  const active: RunRow[] = []
  for (const [name, given] of wanted) {
    const child = await makeChild(context, run, {
      op,
      step: null,
      name: `${window.from}/${name}`,
      windowFrom: window.from,
      windowTo: window.to,
      // Time rules count up to the end of the window.
      asOf: op === 'ingest' ? null : window.to,
      scheduledFor: null,
      input: given,
      head,
    })
    if (!hasEnded(child)) active.push(child)
  }
  return active
}

/** Inputs that a window of an ingest reads. */
export function inputsOf(run: Pick<RunRow, 'input' | 'pipeline'>): readonly string[] {
  const { input } = inputOf(run)
  if (typeof input === 'string') return [input]
  const inputs = pipelineOf(run)?.inputs ?? []
  return inputs.filter((one) => 'window' in one && one.window !== null).map(({ name }) => name)
}
