/** The core between definitions and history: normalization, event ids, hints, identity (spec 03 §1–§7, 04 §3.4, §4.4). */
import assert from 'node:assert/strict'
import { eventIdOf, tagged } from '../../src/core/event-id.ts'
import { Grouping } from '../../src/core/grouping.ts'
import { hintKey, resolveBatch } from '../../src/core/identity.ts'
import { decodeEvent } from '../../src/core/normalize.ts'
import { toFloat } from '../../src/core/value.ts'
import { mapped, normalizeAll, normalized, rejected, time } from '../support/core-world.ts'
import type { Rule } from './rule.ts'

const core = (name: string): string => `src/core/${name}.ts`
const counter = (): (() => string) => {
  let last = 0
  return () => `new-${++last}`
}
const person = (fields: Record<string, string>) => ({ person: fields })

export const rules: Rule[] = [
  {
    id: 'norm.record',
    spec: '03 §1.1',
    off: { file: core('normalize'), find: ' || !isPlain(value)', replace: '' },
    check: () => assert.deepEqual(rejected(mapped({ id: { from: 'id' } }), []).error, 'record must be an object'),
  },
  {
    id: 'norm.json',
    spec: '04 §2.1',
    off: { file: core('json-check'), find: 'if (!isPlain(value)) return BAD', replace: '' },
    check: () => {
      assert.equal(rejected(mapped({ id: { from: 'id' } }), { x: [new Date(0)] }).field, 'x.0')
      assert.equal(rejected(mapped({ id: { from: 'id' } }), { x: new Map() }).field, 'x')
    },
  },
  {
    id: 'norm.depth',
    spec: '04 §2.1',
    off: { file: core('json-check'), find: 'if (depth > MAX_DEPTH) return BAD', replace: '' },
    check: () => {
      const deep = JSON.parse(`${'['.repeat(600)}${']'.repeat(600)}`)
      assert.match(rejected(mapped({ id: { from: 'id' } }), { x: deep }).error, /nested deeper/)
    },
  },
  {
    id: 'norm.raw',
    spec: '03 §1.9',
    off: { file: core('normalize'), find: 'rawJson = stringifyJson(raw)\n', replace: "rawJson = '{}'\n" },
    check: () =>
      assert.match(normalized(mapped({ id: { from: 'id' } }), { big: 2n ** 60n }).rawJson, /:1152921504606846976/),
  },
  {
    id: 'norm.raw-type',
    spec: '03 §1.3',
    off: { file: core('program/source'), find: 'definition.raw_type ?? type', replace: 'type' },
    check: () => {
      const program = mapped({ id: { from: 'id' } }, { raw_type: 'e.raw' })
      assert.equal(normalized(program, { type: 'e.raw' }).eventType, 'e')
      assert.equal(rejected(program, { type: 'e' }).field, 'type')
    },
  },
  {
    id: 'norm.path',
    spec: '03 §1 N1',
    off: {
      file: core('raw-path'),
      find: 'if (Object.hasOwn(record, path.whole)) return record[path.whole] ?? null',
      replace: '',
    },
    check: () => {
      const program = mapped({ id: { from: 'id' }, x: { from: 'a.b' } })
      assert.equal(normalized(program, { 'a.b': 1, a: { b: 2 } }).data['x'], 1)
    },
  },
  {
    id: 'norm.path.own',
    spec: '03 §1',
    off: { file: core('raw-path'), find: 'at = Object.hasOwn(at, key) ?', replace: 'at = true ?' },
    check: () => {
      const program = mapped({ id: { from: 'id' }, x: { from: 'a.constructor' } })
      assert.equal(normalized(program, { a: {} }).data['x'], null)
    },
  },
  {
    id: 'norm.isolated',
    spec: '03 §1',
    off: {
      file: core('normalize'),
      find: 'batch.failures.push(work.failure(index, faultOf',
      replace: 'throw error; (work.failure(index, faultOf',
    },
    check: () => {
      const good = { type: 'e', at: 0, id: 'a' }
      assert.deepEqual(normalizeAll(mapped({ id: { from: 'id' } }), [good, 5, good]).indexes, [0, 2])
    },
  },
  {
    id: 'norm.coercion',
    spec: '03 §3.2',
    off: {
      file: core('normalize'),
      find: 'if (result instanceof CoercionFailure) throw',
      replace: 'if (result instanceof CoercionFailure) return mapping.default; if (false) throw',
    },
    check: () => {
      const program = mapped({ id: { from: 'id' }, n: { from: 'n', type: 'number', default: 0 } })
      assert.equal(rejected(program, { n: 'bad' }).field, 'n')
    },
  },
  {
    id: 'norm.default',
    spec: '03 §3.3 N4',
    off: {
      file: core('program/source'),
      find: 'const value = coerce(literal, mapping.type)',
      replace: 'const value = literal',
    },
    check: () => {
      const program = mapped({ id: { from: 'id' }, n: { from: 'n', type: 'number', default: '0' } })
      assert.deepEqual(normalized(program, {}).data['n'], toFloat(0))
    },
  },
  {
    id: 'norm.schema',
    spec: '03 §3.3 N7',
    off: { file: core('normalize'), find: 'if (!event.schemaAdvisory) throw violation', replace: '' },
    check: () => {
      const schemas = { e: { fields: { id: { type: 'string' }, n: { type: 'integer', max: 3 } } } }
      const program = mapped({ id: { from: 'id' }, n: { from: 'n' } }, {}, { schemas })
      assert.equal(rejected(program, { n: 4 }).field, 'n')
      assert.equal(normalized(program, { n: 3 }).data['n'], 3)
    },
  },
  {
    id: 'norm.schema.warn',
    spec: '03 §3.3',
    off: { file: core('normalize'), find: 'this.advisory = violation', replace: '' },
    check: () => {
      const schemas = { e: { fields: { id: { type: 'string', required: true } } } }
      const program = mapped({ id: { from: 'id' } }, {}, { schemas }, { schemaValidation: 'warn' })
      const batch = normalizeAll(program, [{ type: 'e', at: 0 }])
      assert.deepEqual([batch.events.length, batch.failures[0]?.advisory], [1, true])
    },
  },
  {
    id: 'norm.hint.normalize',
    spec: '03 §6.2 N12',
    off: {
      file: core('hints'),
      find: 'throw faultOf(error, identity.field)',
      replace: 'faultOf(error, identity.field); return text',
    },
    check: () => {
      const program = mapped({ id: { from: 'id' } }, {}, { identity: { id: { normalize: 'to_int(value)' } } })
      assert.equal(rejected(program, { id: 'x' }).field, 'id')
    },
  },
  {
    id: 'norm.hint.case',
    spec: '03 §6.3 N13',
    off: { file: core('hints'), find: 'if (identity.caseInsensitive) text = text.toLowerCase()', replace: '' },
    check: () => {
      const program = mapped({ id: { from: 'id' } }, {}, { identity: { id: { match: 'case_insensitive' } } })
      assert.deepEqual(normalized(program, { id: 'AÉ' }).hints, { thing: { id: 'aé' } })
    },
  },
  {
    id: 'norm.hint.empty',
    spec: '03 §6.4 N14',
    off: { file: core('hints'), find: "return text === '' ? null : text", replace: 'return text' },
    check: () => assert.deepEqual(normalized(mapped({ id: { from: 'id' } }), { id: '' }).hints, {}),
  },
  {
    id: 'norm.kinds',
    spec: '03 §7 N18',
    off: {
      file: core('kinds'),
      find: "if (value instanceof Float) return 'f'",
      replace: 'if (value instanceof Float) return null',
    },
    check: () => {
      const program = mapped({ id: { from: 'id' }, f: { compute: 'to_float(5)' }, n: { default: 5, type: 'number' } })
      const { eventId, dataJson, kindsJson } = normalized(program, {})
      const row = { sequence: 1, eventId, eventType: 'e', timestamp: '2024-01-01', source: 'app', data: dataJson }
      const { data } = decodeEvent(program, { ...row, kinds: kindsJson })
      assert.deepEqual(data, { id: null, f: toFloat(5), n: toFloat(5) })
    },
  },
  {
    id: 'eventid.float',
    spec: '03 §4',
    off: { file: core('event-id'), find: 'size < 1e16', replace: 'size < 1e21' },
    check: () => {
      assert.equal(tagged(toFloat(42)), '{"Float":42.0}')
      assert.equal(tagged(1e16), '{"Float":1e+16}')
      assert.equal(tagged(0.00001), '{"Float":0.00001}')
    },
  },
  {
    id: 'eventid.time',
    spec: '03 §4',
    off: { file: core('event-id'), find: '.slice(0, -6)}Z', replace: '}' },
    check: () => assert.equal(tagged(time('2024-01-15T10:00:00.5Z')), '{"DateTime":"2024-01-15T10:00:00.500Z"}'),
  },
  {
    id: 'eventid.keys',
    spec: '03 §4',
    off: { file: core('event-id'), find: '.sort(compareUtf8)', replace: '' },
    check: () => assert.equal(tagged({ b: 1, a: 2 }), '{"Object":{"a":{"Int":2},"b":{"Int":1}}}'),
  },
  {
    id: 'eventid.order',
    spec: '03 §4',
    off: { file: core('program/source'), find: '.sort(compareUtf8)', replace: '' },
    check: () => {
      const program = mapped({ z: { from: 'z' }, id: { from: 'id' } })
      const expected = eventIdOf('e|[["id",{"String":"a"}],["z","Null"]]')
      assert.equal(normalized(program, { id: 'a' }).eventId, expected)
    },
  },
  {
    id: 'eventid.bytes',
    spec: '03 §4',
    off: { file: core('event-id'), find: 'if (xHigh !== yHigh) return', replace: 'if (false) return' },
    check: () => assert.equal(tagged({ '😀': 1, '\uffff': 2 }), '{"Object":{"\uffff":{"Int":2},"😀":{"Int":1}}}'),
  },
  {
    id: 'eventid.missing',
    spec: '03 §4 N8',
    off: { file: core('normalize'), find: 'if (value === null && listed)', replace: 'if (false)' },
    check: () => assert.equal(rejected(mapped({ id: { from: 'id' } }, { event_id: ['ref'] }), {}).field, 'ref'),
  },
  {
    id: 'eventid.override',
    spec: '01 §3.1 D25',
    off: { file: core('program/source'), find: 'definition.event_id ?? source.event_id', replace: 'source.event_id' },
    check: () => {
      const program = mapped({ id: { from: 'id' } }, { event_id: ['id'] }, { source: { event_id: ['at'] } })
      assert.equal(normalized(program, { id: 'a' }).eventId, eventIdOf('e|[["id",{"String":"a"}]]'))
    },
  },
  {
    id: 'ident.smallest',
    spec: '04 §3.4.4',
    off: { file: core('identity'), find: 'winner === undefined || id < winner', replace: 'winner === undefined' },
    check: () => {
      const known = new Map([
        [hintKey('person', 'mail', 'a'), 'id-2'],
        [hintKey('person', 'card', '1'), 'id-1'],
      ])
      const events = [{ sequence: 1, hints: person({ mail: 'a', card: '1' }), groups: [] }]
      const { mappings, merges } = resolveBatch(events, known, counter())
      assert.equal(mappings[0]?.entityId, 'id-1')
      assert.deepEqual(merges, [{ entityType: 'person', from: 'id-2', into: 'id-1' }])
    },
  },
  {
    id: 'ident.known',
    spec: '04 §3.4.5',
    off: { file: core('identity'), find: 'if (!this.#ids.has(root)) this.#ids.set', replace: 'this.#ids.set' },
    check: () => {
      const known = new Map([[hintKey('person', 'mail', 'a'), 'id-1']])
      const events = [{ sequence: 1, hints: person({ mail: 'a', card: '1' }), groups: [] }]
      const { inserts, merges } = resolveBatch(events, known, counter())
      assert.deepEqual([inserts[0]?.entityId, merges], ['id-1', []])
    },
  },
  {
    id: 'ident.relate',
    spec: '04 §3.4.1 N16',
    off: {
      file: core('identity'),
      find: 'for (const group of groups) batch.join(',
      replace: 'for (const group of groups) if (false) batch.join(',
    },
    check: () => {
      const groups = [{ entityType: 'person', hints: { card: '1' } }]
      const events = [{ sequence: 1, hints: person({ mail: 'a' }), groups }]
      const { inserts, mappings } = resolveBatch(events, new Map(), counter())
      assert.deepEqual([inserts.map((row) => row.entityId), mappings.length], [['new-1', 'new-2'], 1])
    },
  },
  {
    id: 'ident.stable',
    spec: '04 §4.4',
    off: { file: core('grouping'), find: 'else if (home.root !== root) home.root = SCATTERED', replace: '' },
    check: () => {
      const grouping = new Grouping()
      for (const mail of ['a', 'b']) grouping.add(person({ mail }), [])
      const row = { entityType: 'person', hintType: 'mail', entityId: 'id-1' }
      const { idOf, retired } = grouping.components(
        [
          { ...row, value: 'a' },
          { ...row, value: 'b' },
        ],
        counter(),
      )
      assert.deepEqual([idOf('person', 'mail', 'a'), idOf('person', 'mail', 'b')], ['new-1', 'new-2'])
      assert.deepEqual(retired, [])
    },
  },
  {
    id: 'ident.stable.text',
    spec: '04 §4.4 D32',
    off: { file: core('grouping'), find: 'if (node >= 0 && previous !== undefined)', replace: 'if (false)' },
    check: () => {
      const grouping = new Grouping()
      grouping.add(person({ mail: 'a' }), [], person({ mail: 'A' }))
      const old = [{ entityType: 'person', hintType: 'mail', value: 'A', entityId: 'id-1' }]
      assert.equal(grouping.components(old, counter()).idOf('person', 'mail', 'a'), 'id-1')
    },
  },
]
