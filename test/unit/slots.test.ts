import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { decideSlot, type SlotQuestion } from '../../src/orchestration/slots.ts'
import type { RunRow, ScheduleTick } from '../../src/ports/runs.ts'

const MINUTE = 60_000
const START = Date.UTC(2024, 0, 1)
const at = (ms: number): string => new Date(START + ms).toISOString().replace('.000Z', '+00:00')

type ActiveRun = Pick<RunRow, 'runId' | 'status' | 'scheduledFor' | 'createdAt'>
const question = (given: Partial<SlotQuestion> = {}): SlotQuestion => ({
  pipeline: 'nightly',
  schedule: { overlap: 'queue', missed: 'last', windowMs: 24 * 60 * MINUTE, jitterMs: 0 },
  slot: at(0),
  now: at(1000),
  pausedReason: null,
  ticks: [],
  active: [],
  between: [],
  newest: at(0),
  runId: 'r_new',
  ...given,
})
const running = (runId: string, created = -60 * MINUTE): ActiveRun => ({
  runId,
  status: 'running',
  scheduledFor: null,
  createdAt: at(created),
})
const waiting = (runId: string, slot: number): { run: ActiveRun; tick: ScheduleTick } => ({
  run: { runId, status: 'queued', scheduledFor: at(slot), createdAt: at(slot) },
  tick: { pipeline: 'nightly', scheduledFor: at(slot), decidedAt: at(slot), outcome: 'queued', runId, reason: null },
})

describe('slots', () => {
  it('start at once when nothing runs', () => {
    const { outcome, runId, create } = decideSlot(question())
    assert.deepEqual({ outcome, runId, create }, { outcome: 'started', runId: 'r_new', create: true })
  })

  it('wait, leave out or cancel while a run is active', () => {
    const active = [running('r_old')]
    const schedule = (overlap: 'queue' | 'skip' | 'cancel') => ({ ...question().schedule, overlap })
    assert.equal(decideSlot(question({ active, schedule: schedule('queue') })).outcome, 'queued')
    const skipped = decideSlot(question({ active, schedule: schedule('skip') }))
    assert.deepEqual([skipped.outcome, skipped.runId, skipped.create], ['skipped', null, false])
    const cancelling = decideSlot(question({ active, schedule: schedule('cancel') }))
    assert.deepEqual([cancelling.outcome, cancelling.cancel], ['started', ['r_old']])
  })

  it('take the place of an older one that waits, unless every slot is to run', () => {
    const { run, tick } = waiting('r_waits', -60 * MINUTE)
    const given = { active: [running('r_old', -120 * MINUTE), run], ticks: [tick] }
    const last = decideSlot(question(given))
    assert.deepEqual(last.superseded, ['r_waits'])
    assert.deepEqual(
      last.ticks.map(({ outcome }) => outcome),
      ['superseded', 'queued'],
    )
    const all = decideSlot(question({ ...given, schedule: { ...question().schedule, missed: 'all' } }))
    assert.deepEqual([all.outcome, all.superseded], ['queued', []])
  })

  it('are not run behind a later one that waits', () => {
    const { run, tick } = waiting('r_waits', 60 * MINUTE)
    const answer = decideSlot(question({ active: [running('r_old'), run], ticks: [tick], now: at(MINUTE) }))
    assert.deepEqual([answer.outcome, answer.create], ['superseded', false])
  })

  it('that are late follow the policy for missed ones', () => {
    const late = { now: at(60 * MINUTE) }
    const schedule = (missed: 'last' | 'all' | 'none') => ({ ...question().schedule, missed })
    assert.equal(decideSlot(question({ ...late, schedule: schedule('last') })).outcome, 'started')
    assert.equal(decideSlot(question({ ...late, newest: at(30 * MINUTE) })).outcome, 'missed')
    assert.equal(
      decideSlot(question({ ...late, newest: at(30 * MINUTE), schedule: schedule('all') })).outcome,
      'started',
    )
    assert.equal(decideSlot(question({ ...late, schedule: schedule('none') })).outcome, 'missed')
    assert.equal(decideSlot(question({ now: at(25 * 60 * MINUTE), schedule: schedule('all') })).outcome, 'missed')
    const jitter = { ...schedule('none'), jitterMs: 60 * MINUTE }
    assert.equal(decideSlot(question({ ...late, schedule: jitter })).outcome, 'started')
  })

  it('leave the reason while paused', () => {
    const { outcome, ticks } = decideSlot(question({ pausedReason: 'moving the database' }))
    assert.deepEqual([outcome, ticks[0]?.reason], ['paused', 'moving the database'])
  })

  it('that the server dropped are entered, and decided if they come after all', () => {
    const first = decideSlot(question({ between: [at(-2 * MINUTE), at(-MINUTE)] }))
    assert.deepEqual(
      first.ticks.map(({ scheduledFor, outcome }) => [scheduledFor, outcome]),
      [
        [at(-2 * MINUTE), 'missed'],
        [at(-MINUTE), 'missed'],
        [at(0), 'started'],
      ],
    )
    const schedule = { ...question().schedule, missed: 'all' as const }
    const after = decideSlot(question({ slot: at(-MINUTE), ticks: [...first.ticks].reverse(), schedule }))
    assert.equal(after.outcome, 'started')
  })

  const world = fc.record({
    overlap: fc.constantFrom('queue', 'skip', 'cancel' as const),
    missed: fc.constantFrom('last', 'all', 'none' as const),
    paused: fc.boolean(),
    steps: fc.array(
      fc.oneof(
        // Slots come in any order, as late as they like, more than once.
        fc.record({ do: fc.constant('slot' as const), slot: fc.nat(12), late: fc.nat(90) }),
        fc.record({ do: fc.constantFrom('begin' as const, 'end' as const) }),
      ),
      { maxLength: 40 },
    ),
  })

  it('have one row each, keep at most one waiting, and never change their mind', () => {
    fc.assert(
      fc.property(world, ({ overlap, missed, paused, steps }) => {
        const schedule = { overlap, missed, windowMs: 60 * MINUTE, jitterMs: 0 }
        const ticks = new Map<string, ScheduleTick>()
        const active: ActiveRun[] = []
        let now = 0
        let runs = 0
        for (const step of steps) {
          if (step.do !== 'slot') {
            if (step.do === 'end') active.shift()
            else if (active[0] !== undefined) active[0] = { ...active[0], status: 'running' }
            continue
          }
          const slot = step.slot * 10 * MINUTE
          now = Math.max(now, slot + step.late * MINUTE)
          const asked = question({
            schedule,
            slot: at(slot),
            now: at(now),
            pausedReason: paused ? 'away' : null,
            ticks: [...ticks.values()].sort((a, b) => (a.scheduledFor < b.scheduledFor ? 1 : -1)),
            active,
            newest: at(Math.floor(now / (10 * MINUTE)) * 10 * MINUTE),
            runId: `r_${runs}`,
          })
          const known = ticks.get(at(slot))
          const answer = decideSlot(asked)
          if (known !== undefined) {
            assert.equal(answer.outcome, known.outcome)
            assert.equal(answer.create, false)
            assert.deepEqual(answer.ticks, [])
          }
          for (const tick of answer.ticks) ticks.set(tick.scheduledFor, tick)
          assert.equal(ticks.get(at(slot))?.outcome, answer.outcome)
          if (paused) assert.equal(answer.create, false)
          for (const id of [...answer.superseded, ...answer.cancel]) {
            active.splice(
              active.findIndex((run) => run.runId === id),
              1,
            )
          }
          if (answer.create) {
            assert.equal(answer.runId, `r_${runs}`)
            active.push({ runId: `r_${runs}`, status: 'queued', scheduledFor: at(slot), createdAt: at(now) })
            runs += 1
          }
          const waits = [...ticks.values()].filter(
            (tick) =>
              tick.outcome === 'queued' && active.some((run) => run.runId === tick.runId && run.status === 'queued'),
          )
          if (missed !== 'all') assert.ok(waits.length <= 1, 'at most one waits')
          if (overlap !== 'queue') assert.equal(waits.length, 0)
          for (const tick of ticks.values()) {
            if (tick.outcome === 'started' || tick.outcome === 'queued') assert.ok(tick.runId !== null)
            else assert.ok(tick.reason !== null)
          }
        }
      }),
    )
  })
})
