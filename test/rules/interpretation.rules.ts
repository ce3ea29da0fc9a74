/** Interpretation and history rows (spec 03 §9, 07 §6.1). */
import assert from 'node:assert/strict'
import { decodeState, encodeState } from '../../src/core/checkpoint.ts'
import { historyWrite } from '../../src/core/history-rows.ts'
import { emptyState } from '../../src/core/interpret.ts'
import { toFloat } from '../../src/core/value.ts'
import { event, path, run, short, thing } from '../support/core-world.ts'
import { add, born, core, counting, lent, loan, sleepy, to, upTo, when, written } from '../support/rule-entities.ts'
import type { Rule } from './rule.ts'

export const rules: Rule[] = [
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
      find: 'this.#properties.has(other)) visit(other)',
      replace: 'false) visit(other)',
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
    off: { file: core('open-edges'), find: '    if (single) {', replace: '    if (false as boolean) {' },
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
    off: {
      file: core('open-edges'),
      find: 'if (before !== undefined && sameProperties(before, edge)) return []',
      replace: '',
    },
    check: () => assert.equal(run(loan(), [born, lent(2, '01-02', 'a'), lent(3, '01-03', 'a')]).changes.length, 2),
  },
  {
    id: 'interp.relate.canonical',
    spec: '01 §2.7 D23',
    off: {
      file: core('effects'),
      find: 'const hint = hintOf(identity, target, event, work.context)',
      replace: 'const hint = hintOf({ ...identity, caseInsensitive: false }, target, event, work.context)',
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
