/** What the database says at a scrape. */
import { instantFromText } from '../../core/instant.ts'
import { REQUEST_OPEN } from '../../ports/privacy.ts'
import { freshnessOf } from '../assets/freshness.ts'
import type { FreshnessState } from '../assets/model.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'

interface Reading {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const STATES: Readonly<Record<FreshnessState, number>> = { unknown: -1, ok: 0, warn: 1, error: 2 }

export async function readGauges(context: Orchestration): Promise<readonly Reading[]> {
  const readings: Reading[] = []
  const set = (name: string, value: number | null, labels: Reading['labels'] = {}): void => {
    if (value !== null) readings.push({ name: `defacto_${name}`, labels, value })
  }
  const { operations } = context
  const { log, version } = operations
  const ageOf = (text: string | null): number | null => {
    const from = text === null ? null : instantFromText(text)
    return from === null ? null : Math.max(0, (operations.now().ms - from.ms) / 1000)
  }

  const status = await operations.buildStatus()
  set('pending_events', status.pendingEvents, { version })
  set('oldest_pending_seconds', ageOf(await operations.oldestPending()) ?? 0, { version })
  set('tick_lag_seconds', ageOf(status.tickHorizon), { version })

  const cold = await operations.coldStatus()
  set('ledger_rows', cold?.hotRows ?? status.totalEvents, { tier: 'hot' })
  if (cold !== null) {
    set('ledger_rows', cold.coldRows, { tier: 'cold' })
    set('cold_bytes', cold.coldBytes)
    set('cold_files', cold.coldFiles)
    set('flush_lag_events', cold.head - cold.flushed)
  }

  const pipelines = await pipelinesOf(context)
  const worst = new Map<string, { lagMs: number; state: number }>()
  for (const { asset, lagMs, state } of await freshnessOf(context, pipelines)) {
    const before = worst.get(asset)
    worst.set(asset, {
      lagMs: Math.max(before?.lagMs ?? -1, lagMs ?? -1),
      state: Math.max(before?.state ?? -1, STATES[state]),
    })
  }
  for (const [asset, { lagMs, state }] of worst) {
    set('freshness_seconds', lagMs < 0 ? null : lagMs / 1000, { asset })
    set('freshness_state', state, { asset })
  }
  for (const { check, severity, passed } of await log.checks.latest()) {
    set('check_passed', passed ? 1 : 0, { check, severity })
  }

  for (const { source, letters } of await log.letters.count('open')) set('dead_letters', letters, { source })
  const batches = await log.inputs.batches()
  set(
    'inbox_rows',
    batches.reduce((rows, { lines }) => rows + lines, 0),
  )
  for (const { name, inputs } of pipelines) {
    let held = 0
    for (const input of inputs) {
      const marks = await log.inputs.marks(name, input.name)
      held += marks.filter(({ state }) => state === 'held').length
    }
    if (inputs.length > 0) set('inputs_held', held, { pipeline: name })
  }
  for (const [state, rows] of Object.entries(await log.notifications.count())) {
    set('notifications', rows, { status: state })
  }
  const requests = await operations.privacy.log.requests({ status: REQUEST_OPEN })
  for (const state of REQUEST_OPEN)
    set('erase_open', requests.filter(({ status }) => status === state).length, { state })
  const deadlines = requests.filter(({ kind }) => kind !== 'retention').map(({ deadline }) => Date.parse(deadline))
  set('erase_deadline_seconds', deadlines.length === 0 ? null : (Math.min(...deadlines) - operations.now().ms) / 1000)
  set('holds', (await operations.privacy.log.holds({ at: operations.now().toString() })).length)
  for (const { slot, epoch } of await operations.locks()) set('lock_epoch', epoch, { slot })
  return readings
}

/** None while the definitions on disk are broken: that is `check`'s business, not a scrape's. */
async function pipelinesOf(context: Orchestration): Promise<readonly Pipeline[]> {
  const found = await context.project.pipelines().catch(() => null)
  return found === null ? [] : [...found.values()].map(({ pipeline }) => pipeline)
}
