/** Time rules (spec 03 §8, §10). */
import assert from 'node:assert/strict'
import { isLate, nextDue } from '../../src/core/time-rules.ts'
import { event, path, run, short, thing, time } from '../support/core-world.ts'
import { add, born, core, counting, sleepy, to, upTo, when } from '../support/rule-entities.ts'
import type { Rule } from './rule.ts'

export const rules: Rule[] = [
  {
    id: 'time.strict',
    spec: '03 §10',
    off: { file: core('time-rules'), find: 't.us <= from.us', replace: 't.us < from.us' },
    check: () => assert.deepEqual(path(run(sleepy(), [born], upTo('01-11'))), ['01-01 00:00 on']),
  },
  {
    id: 'time.crossing',
    spec: '03 §10 N29',
    off: { file: core('time-rules'), find: 'fire(work, next)', replace: 'fire(work, { ...next, crossing: t })' },
    check: () => assert.equal(path(run(sleepy(), [born], upTo('01-12'))).at(-1), '01-11 00:00 asleep'),
  },
  {
    id: 'time.cascade',
    spec: '03 §10 N26',
    off: { file: core('time-rules'), find: 'fire(work, next)', replace: 'return fire(work, next)' },
    check: () => assert.equal(path(run(sleepy(), [born], upTo('03-01'))).at(-1), '01-16 00:00 gone'),
  },
  {
    id: 'time.chronological',
    spec: '03 §10 N26',
    off: { file: core('time-rules'), find: 'compareTime(crossing, first.crossing) < 0', replace: 'false' },
    check: () => {
      const entity = thing({
        states: {
          on: {
            when,
            after: [
              { type: 'expiration', threshold: '2d', effects: [to('late')] },
              { type: 'expiration', threshold: '1d', effects: [to('early')] },
            ],
          },
          late: {},
          early: {},
        },
      })
      assert.equal(path(run(entity, [born], upTo('02-01'))).at(-1), '01-02 00:00 early')
    },
  },
  {
    id: 'time.tie',
    spec: '03 §10',
    off: {
      file: core('time-rules'),
      find: 'compareTime(crossing, first.crossing) < 0',
      replace: 'compareTime(crossing, first.crossing) <= 0',
    },
    check: () => {
      const entity = thing({
        states: {
          on: {
            when,
            after: [
              { type: 'expiration', threshold: '1d', effects: [to('first')] },
              { type: 'state_duration', threshold: '1d', effects: [to('second')] },
            ],
          },
          first: {},
          second: {},
        },
      })
      assert.equal(path(run(entity, [born], upTo('02-01'))).at(-1), '01-02 00:00 first')
    },
  },
  {
    id: 'time.once',
    spec: '03 §10 N27',
    off: {
      file: core('time-rules'),
      find: 'if (work.fired.includes(index)) continue',
      replace: 'if (work.fired.length > 30) return null',
    },
    check: () => {
      const { state } = run(counting(), [born], upTo('02-01'))
      assert.deepEqual(state.properties, { i: 1, d: 1, x: 1 })
    },
  },
  {
    id: 'time.rearm.event',
    spec: '03 §10 N27',
    off: { file: core('working'), find: 'if (this.fired.length > 0) this.#rearm(isNoInactivity)', replace: '' },
    check: () => {
      const { state } = run(counting(), [born, event(2, 'ping', '01-10')], upTo('02-01'))
      assert.deepEqual(state.properties, { i: 2, d: 1, x: 1 })
    },
  },
  {
    id: 'time.rearm.self',
    spec: '03 §10 N27',
    off: { file: core('working'), find: 'if (to === this.current) this.#rearm(isExpiration)\n    else', replace: '' },
    check: () => {
      const { state } = run(counting(), [born, event(2, 'again', '01-10')], upTo('02-01'))
      assert.deepEqual(state.properties, { i: 2, d: 2, x: 1 })
    },
  },
  {
    id: 'time.rearm.state',
    spec: '03 §10 N27',
    off: { file: core('working'), find: 'else this.fired = NO_RULES', replace: '' },
    check: () => {
      const entity = thing({
        states: {
          on: { when, after: [{ type: 'state_duration', threshold: '1d', effects: [to('off')] }] },
          off: { after: [{ type: 'state_duration', threshold: '1d', effects: [to('end')] }] },
          end: {},
        },
      })
      assert.equal(path(run(entity, [born], upTo('02-01'))).at(-1), '01-03 00:00 end')
    },
  },
  {
    id: 'time.reference',
    spec: '03 §10 N24',
    off: {
      file: core('time-rules'),
      find: 'return laterOf(times.lastEventTime, times.stateEnteredTime)',
      replace: 'return times.lastEventTime',
    },
    check: () => {
      const entity = thing({
        states: {
          on: { when, after: [{ type: 'expiration', threshold: '9d', effects: [to('mid')] }] },
          mid: { after: [{ type: 'inactivity', threshold: '10d', effects: [to('end')] }] },
          end: {},
        },
      })
      assert.equal(path(run(entity, [born], upTo('02-01'))).at(-1), '01-20 00:00 end')
    },
  },
  {
    id: 'time.entry',
    spec: '03 §10 N25',
    off: {
      file: core('time-rules'),
      find: 'const crossing = laterOf(new Instant(from.ms + rule.threshold, from.us), entered)',
      replace: 'const crossing = entered.ms < 0 ? entered : new Instant(from.ms + rule.threshold, from.us)',
    },
    check: () => {
      const entity = thing({
        states: {
          on: { when: { ...when, go: { effects: [to('trial')] } } },
          trial: {
            after: [
              { type: 'expiration', threshold: '5d', effects: [to('over')] },
              { type: 'expiration', threshold: '4d', effects: [{ set: { property: 's', value: 1 } }] },
            ],
          },
          over: {},
        },
        properties: { s: { type: 'integer' } },
      })
      const result = run(entity, [born, event(2, 'go', '01-20')])
      assert.deepEqual(path(result), ['01-01 00:00 on', '01-20 00:00 trial', '01-20 00:00 over'])
      assert.equal(short(result.state.lastFiring), '01-20 00:00')
    },
  },
  {
    id: 'time.before-event',
    spec: '03 §9.1',
    off: { file: core('interpret'), find: 'return\n  advance(work, timestamp)', replace: 'return' },
    check: () => assert.equal(path(run(sleepy(), [born, event(2, 'ping', '01-13')])).at(-1), '01-13 00:00 on'),
  },
  {
    id: 'time.after-event',
    spec: '03 §9.7',
    off: { file: core('interpret'), find: 'if (moved) advance(work, timestamp)', replace: '' },
    check: () => {
      const entity = thing({
        states: {
          on: { when: { ...when, go: { effects: [to('trial')] } } },
          trial: { after: [{ type: 'expiration', threshold: '5d', effects: [to('over')] }] },
          over: {},
        },
      })
      assert.equal(run(entity, [born, event(2, 'go', '01-20')]).state.state, 'over')
    },
  },
  {
    id: 'time.undo',
    spec: '03 §10',
    off: {
      file: core('time-rules'),
      find: 'work.fired = [...work.fired, index]',
      replace: 'if (!work.failures.length) work.fired = []',
    },
    check: () => {
      const entity = thing({
        properties: { n: { type: 'integer', max: 0 } },
        states: { on: { when, after: [{ type: 'expiration', threshold: '1d', effects: [add('n')] }] } },
      })
      const { state, failures } = run(entity, [born], upTo('02-01'))
      assert.deepEqual([failures.length, state.properties, state.fired], [1, { n: null }, [0]])
    },
  },
  {
    id: 'time.loop',
    spec: '03 §10 N26',
    off: { file: core('time-rules'), find: 'const MAX_FIRINGS = 10_000', replace: 'const MAX_FIRINGS = 20_000' },
    check: () => {
      const rule = (state: string) => ({ after: [{ type: 'expiration', threshold: '1s', effects: [to(state)] }] })
      const entity = thing({ states: { on: { when, ...rule('off') }, off: rule('on') } })
      const { transitions, failures } = run(entity, [born], upTo('01-02'))
      assert.equal(transitions, 10_000)
      assert.match(failures[0]?.error ?? '', /time_rule_loop/)
    },
  },
  {
    id: 'time.due',
    spec: '05 §2.3',
    off: { file: core('time-rules'), find: 'if (state.fired.includes(index)) continue', replace: '' },
    check: () => {
      const entity = counting()
      assert.equal(short(nextDue(entity, run(entity, [born]).state)), '01-03 00:00')
      assert.equal(nextDue(entity, run(entity, [born], upTo('01-05')).state), null)
    },
  },
  {
    id: 'time.late',
    spec: '03 §8, §12.2',
    off: {
      file: core('time-rules'),
      find: 'compareTime(timestamp, lastFiring) <= 0',
      replace: 'compareTime(timestamp, lastFiring) < 0',
    },
    check: () => {
      const { state } = run(sleepy(), [born], upTo('01-12'))
      assert.equal(isLate(state, time('01-11')), true)
      assert.equal(isLate(state, time('01-11T00:00:01Z')), false)
    },
  },
  {
    id: 'time.late.events',
    spec: '03 §8',
    off: {
      file: core('time-rules'),
      find: 'compareTime(timestamp, lastEventTime) < 0',
      replace: 'compareTime(timestamp, lastEventTime) <= 0',
    },
    check: () => {
      const { state } = run(sleepy(), [event(1, 'other', '01-05')])
      assert.equal(isLate(state, time('01-05')), false)
      assert.equal(isLate(state, time('01-04')), true)
    },
  },
]
