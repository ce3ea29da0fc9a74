/** Interpretation, time rules and history rows (spec 03 §8–§10, 07 §6.1). */
import assert from 'node:assert/strict'
import { decodeState, encodeState } from '../../src/core/checkpoint.ts'
import { historyWrite } from '../../src/core/history-rows.ts'
import { emptyState } from '../../src/core/interpret.ts'
import { isLate, nextDue } from '../../src/core/time-rules.ts'
import { toFloat } from '../../src/core/value.ts'
import { event, path, programOf, run, short, thing, time } from '../support/core-world.ts'
import type { Rule } from './rule.ts'

const core = (name: string): string => `src/core/${name}.ts`
const born = event(1, 'new', '01-01')
const when = { new: { effects: ['create'] } }
const to = (state: string) => ({ transition: { to: state } })
const upTo = (at: string) => ({ advanceTo: time(at) })
const add = (property: string) => ({ increment: { property } })
const counters = {
  i: { type: 'integer', default: 0 },
  d: { type: 'integer', default: 0 },
  x: { type: 'integer', default: 0 },
}

const sleepy = () =>
  thing({
    states: {
      on: { when, after: [{ type: 'inactivity', threshold: '10d', effects: [to('asleep')] }] },
      asleep: {
        when: { ping: { effects: [to('on')] } },
        after: [{ type: 'state_duration', threshold: '5d', effects: [to('gone')] }],
      },
      gone: {},
    },
  })
const counting = () =>
  thing({
    properties: counters,
    states: {
      on: {
        when: { ...when, again: { effects: [to('on')] }, up: { effects: [add('i')] } },
        after: [
          { type: 'inactivity', threshold: '2d', effects: [add('i')] },
          { type: 'state_duration', threshold: '2d', effects: [add('d')] },
          { type: 'expiration', threshold: '2d', effects: [add('x')] },
        ],
      },
    },
  })
const loan = () => {
  const program = programOf({
    entities: {
      loan: {
        starts: 'on',
        identity: { no: {} },
        states: {
          on: {
            when: {
              ...when,
              lent: { effects: [{ relate: { type: 'taken_by', target: 'member', hints: { member: ['card'] } } }] },
            },
          },
        },
        relationships: [{ type: 'taken_by', target: 'member', cardinality: 'belongs_to' }],
      },
      member: {
        starts: 'on',
        identity: { card: { match: 'case_insensitive' } },
        states: { on: { when } },
        relationships: [{ type: 'took', target: 'loan', cardinality: 'has_many' }],
      },
    },
  })
  const entity = program.entities.get('loan')
  assert.ok(entity)
  return entity
}
const lent = (sequence: number, at: string, card: string) => event(sequence, 'lent', at, { card })

/** Rows as `from state last-event` and the touch of a fold in two parts. */
function written(
  entity: ReturnType<typeof thing>,
  first: Parameters<typeof run>[1],
  second: Parameters<typeof run>[1],
) {
  const before = run(entity, first).state
  return historyWrite(before, run(entity, second, { from: before }), { generation: 1, revision: 1, replace: false })
}

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
  {
    id: 'interp.isolated',
    spec: '03 §11 N30',
    off: { file: core('working'), find: 'this.properties = this.#before.properties', replace: '' },
    check: () => {
      const entity = thing({
        properties: { n: { type: 'integer', default: 0 }, s: { type: 'string', allowed: ['a'] } },
        states: { on: { when: { ...when, e: { effects: [add('n'), { set: { property: 's', from: 'event.s' } }] } } } },
      })
      const events = [born, event(2, 'e', '01-02', { s: 'b' }), event(3, 'e', '01-03', { s: 'a' })]
      const { state, failures } = run(entity, events)
      assert.deepEqual(
        [state.properties, failures.map((one) => [one.field, one.sequence])],
        [{ n: 1, s: 'a' }, [['s', 2]]],
      )
    },
  },
  {
    id: 'interp.activity',
    spec: '03 §8 N19',
    off: { file: core('interpret'), find: 'work.attend(timestamp)', replace: 'if (moved) work.attend(timestamp)' },
    check: () => {
      const result = run(sleepy(), [born, event(2, 'other', '01-08')], upTo('01-15'))
      assert.deepEqual(path(result), ['01-01 00:00 on'])
    },
  },
  {
    id: 'interp.chosen-first',
    spec: '03 §9.2',
    off: {
      file: core('interpret'),
      find: 'if (first !== undefined) run(work, first, timestamp)',
      replace:
        'if (first !== undefined) run(work, first, timestamp); const then = work.current?.when.get(eventType); if (then !== undefined && then !== first) run(work, then, timestamp)',
    },
    check: () => {
      const entity = thing({
        states: {
          on: { when: { new: { effects: ['create', to('off')] } } },
          off: { when: { new: { effects: [to('end')] } } },
          end: {},
        },
      })
      assert.equal(run(entity, [born]).state.state, 'off')
    },
  },
  {
    id: 'interp.always',
    spec: '03 §9.2 N21',
    off: { file: core('interpret'), find: '(work.current !== null || always.creates)', replace: 'true' },
    check: () => {
      const entity = thing({
        properties: { n: { type: 'integer', default: 0 } },
        states: { on: { when } },
        always: { up: { effects: [add('n')] } },
      })
      assert.deepEqual(run(entity, [event(1, 'up', '01-01')]).failures, [])
    },
  },
  {
    id: 'interp.equal',
    spec: '03 §9.5 N22',
    off: { file: core('working'), find: 'if (was !== is && !equal(was, is)) return true', replace: 'return true' },
    check: () => {
      const entity = thing({
        properties: { n: { type: 'number', default: 0 } },
        states: { on: { when: { ...when, e: { effects: [{ set: { property: 'n', value: 0 } }] } } } },
      })
      assert.equal(run(entity, [born, event(2, 'e', '01-02')]).changes.length, 1)
    },
  },
  {
    id: 'interp.computed',
    spec: '03 §9.4 D9',
    off: {
      file: core('program/entity'),
      find: 'this.#properties.has(first)) visit(first)',
      replace: 'false) visit(first)',
    },
    check: () => {
      const entity = thing({
        properties: {
          band: { type: 'string', compute: "if entity.twice > 5 then 'high' else 'low'" },
          twice: { type: 'number', compute: 'entity.n * 2' },
          n: { type: 'number', default: 3 },
        },
        states: { on: { when } },
      })
      assert.deepEqual(run(entity, [born]).state.properties, { band: 'high', twice: toFloat(6), n: toFloat(3) })
    },
  },
  {
    id: 'interp.increment.null',
    spec: '01 §2.4 D13',
    off: { file: core('effects'), find: 'const was = value ?? 0', replace: 'const was = value' },
    check: () => {
      const entity = thing({
        properties: { n: { type: 'integer' } },
        states: { on: { when: { new: { effects: ['create', add('n')] } } } },
      })
      assert.deepEqual(run(entity, [born]).state.properties, { n: 1 })
    },
  },
  {
    id: 'interp.relate.single',
    spec: '01 §2.7 D21',
    off: { file: core('effects'), find: 'else if (effect.single)', replace: 'else if (false)' },
    check: () => {
      const result = run(loan(), [born, lent(2, '01-02', 'a'), lent(3, '01-03', 'b')])
      assert.deepEqual(
        result.state.edges.map((edge) => edge.targetId),
        ['b'],
      )
    },
  },
  {
    id: 'interp.relate.same',
    spec: '01 §2.7 D21',
    off: { file: core('effects'), find: 'if (sameProperties(one, edge)) return true', replace: '' },
    check: () => assert.equal(run(loan(), [born, lent(2, '01-02', 'a'), lent(3, '01-03', 'a')]).changes.length, 2),
  },
  {
    id: 'interp.relate.canonical',
    spec: '01 §2.7 D23',
    off: {
      file: core('effects'),
      find: 'const hint = canonicalHint(identity, getOwn(event.data, identity.field), work.context)',
      replace:
        'const hint = canonicalHint({ ...identity, caseInsensitive: false }, getOwn(event.data, identity.field), work.context)',
    },
    check: () => assert.equal(run(loan(), [born, lent(2, '01-02', 'A')]).state.edges[0]?.targetId, 'a'),
  },
  {
    id: 'hist.instant',
    spec: '03 §9 N23',
    off: {
      file: core('history-rows'),
      find: 'if (open !== undefined && sameInstant(open.validFrom, validFrom)) rows.pop()\n    else if',
      replace: 'if',
    },
    check: () => {
      const write = written(counting(), [], [born, event(2, 'up', '01-01')])
      assert.deepEqual(
        write?.rows.map((row) => [row.properties['i'], row.sequence]),
        [[1, 2]],
      )
    },
  },
  {
    id: 'hist.chain',
    spec: '07 §6.1.4',
    off: { file: core('history-rows'), find: 'open.validTo = validFrom', replace: '' },
    check: () => {
      const write = written(counting(), [], [born, event(2, 'up', '01-02')])
      assert.deepEqual(
        write?.rows.map((row) => short(row.validTo)),
        ['01-02 00:00', null],
      )
    },
  },
  {
    id: 'hist.touch',
    spec: '03 §8',
    off: {
      file: core('history-rows'),
      find: 'first === undefined ? state.lastEventTime : first.lastEventBefore',
      replace: 'before.lastEventTime',
    },
    check: () => {
      const other = event(2, 'other', '01-02')
      assert.equal(short(written(counting(), [born], [other])?.touch ?? null), '01-02 00:00')
      assert.equal(short(written(counting(), [born], [other, event(3, 'up', '01-03')])?.touch ?? null), '01-02 00:00')
    },
  },
  {
    id: 'hist.closed-row',
    spec: '03 §12.1',
    off: {
      file: core('history-rows'),
      find: 'open.lastEventTime = lastEventBefore ?? open.lastEventTime',
      replace: '',
    },
    check: () => {
      const write = written(counting(), [], [born, event(2, 'other', '01-02'), event(3, 'up', '01-03')])
      assert.deepEqual(
        write?.rows.map((row) => short(row.lastEventTime)),
        ['01-02 00:00', '01-03 00:00'],
      )
    },
  },
  {
    id: 'hist.edges',
    spec: '07 §6.1.6',
    off: {
      file: core('history-rows'),
      find: 'if (sameInstant(row.validFrom, at)) rows.delete(row)\n      else row',
      replace: 'row',
    },
    check: () => {
      const events = [lent(2, '01-02', 'a'), lent(3, '01-02', 'b'), lent(4, '01-03', 'c')]
      const write = written(loan(), [born], events)
      assert.deepEqual(
        write?.edges.map((edge) => [edge.targetId, short(edge.validFrom), short(edge.validTo)]),
        [
          ['b', '01-02 00:00', '01-03 00:00'],
          ['c', '01-03 00:00', null],
        ],
      )
    },
  },
  {
    id: 'hist.edges.before',
    spec: '07 §6.1.6',
    off: { file: core('history-rows'), find: 'else if (earlier.delete(key))', replace: 'else if (false)' },
    check: () => {
      const write = written(loan(), [born, lent(2, '01-01', 'a')], [lent(3, '01-02', 'b')])
      assert.deepEqual(
        write?.closedEdges.map((edge) => [edge.targetId, short(edge.at)]),
        [['a', '01-02 00:00']],
      )
    },
  },
  {
    id: 'hist.rebuild',
    spec: '04 §4.7',
    off: { file: core('history-rows'), find: ' && !options.replace', replace: '' },
    check: () => {
      const result = run(counting(), [event(1, 'other', '01-01')])
      const write = historyWrite(null, result, { generation: 2, revision: 0, replace: true })
      assert.deepEqual([write?.replace, write?.rows], [true, []])
      assert.equal(
        historyWrite(emptyState('thing', 'id-1'), result, { generation: 1, revision: 0, replace: false }),
        null,
      )
    },
  },
  {
    id: 'hist.checkpoint',
    spec: '04 §4.10',
    off: { file: core('checkpoint'), find: "rule.type === 'number' ? asFloat(value) : ", replace: '' },
    check: () => {
      const entity = thing({ properties: { f: { type: 'number', default: 5 } }, states: { on: { when } } })
      const { state } = run(entity, [born])
      assert.deepEqual(decodeState(entity, 'id-1', encodeState(state)), state)
    },
  },
]
