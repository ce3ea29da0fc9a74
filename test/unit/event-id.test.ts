import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { compareUtf8, eventIdOf, tagged } from '../../src/core/event-id.ts'
import { Duration, makeInstant } from '../../src/core/instant.ts'
import { toFloat, type Value } from '../../src/core/value.ts'
import { mapped, normalized, rejected, time } from '../support/core-world.ts'

test('the id is the hash of event type and payload', () => {
  expect(eventIdOf('tool_returned|[["loan_no",{"String":"501"}]]')).toBe(
    `e_${hash('sha256', 'tool_returned|[["loan_no",{"String":"501"}]]')}`,
  )
  const program = mapped({ id: { from: 'no', type: 'string' } })
  expect(normalized(program, { no: 501 }).eventId).toBe(eventIdOf('e|[["id",{"String":"501"}]]'))
})

test.each<[Value, string]>([
  [null, '"Null"'],
  [true, '{"Bool":true}'],
  [false, '{"Bool":false}'],
  [5, '{"Int":5}'],
  [-0, '{"Int":0}'],
  [9223372036854775807n, '{"Int":9223372036854775807}'],
  ['ana', '{"String":"ana"}'],
  ['"\\\b\t\n\f\r\u0001\u001f\u007f\u2028é😀/', '{"String":"\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f\u007f\u2028é😀/"}'],
  [42.5, '{"Float":42.5}'],
  [toFloat(42), '{"Float":42.0}'],
  [toFloat(-0), '{"Float":-0.0}'],
  [toFloat(0), '{"Float":0.0}'],
  [0.00001, '{"Float":0.00001}'],
  [0.000001, '{"Float":1e-6}'],
  [1e-7, '{"Float":1e-7}'],
  [1.5e-7, '{"Float":1.5e-7}'],
  [9007199254740994, '{"Float":9007199254740994.0}'],
  [1e16, '{"Float":1e+16}'],
  [123456789012345680000, '{"Float":1.2345678901234568e+20}'],
  [-1e21, '{"Float":-1e+21}'],
  [0.1, '{"Float":0.1}'],
  [time('2024-01-15T10:00:00Z'), '{"DateTime":"2024-01-15T10:00:00Z"}'],
  [time('2024-01-15T10:00:00.5Z'), '{"DateTime":"2024-01-15T10:00:00.500Z"}'],
  [makeInstant(0, 7) as Value, '{"DateTime":"1970-01-01T00:00:00.000007Z"}'],
  [new Duration(5_400_000), '{"Duration":{"secs":5400,"nanos":0}}'],
  [new Duration(-500, 250), '{"Duration":{"secs":-1,"nanos":500250000}}'],
  [[1, 'a', null, [true]], '{"Array":[{"Int":1},{"String":"a"},"Null",{"Array":[{"Bool":true}]}]}'],
  [[], '{"Array":[]}'],
  [{ b: 1, a: { z: null } }, '{"Object":{"a":{"Object":{"z":"Null"}},"b":{"Int":1}}}'],
])('%o is tagged', (value, text) => {
  expect(tagged(value)).toBe(text)
})

test('names are sorted by UTF-8 bytes', () => {
  const names = ['b', 'a', '😀', '\uffff', 'é', 'ab', 'Z', '\ue000']
  const byBytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect([...names].sort(compareUtf8)).toEqual(byBytes)
})

test('all mapped fields count, nulls included, in order of their names', () => {
  const program = mapped({ z: { from: 'z' }, id: { from: 'id' }, a: { from: 'a', type: 'number' } })
  expect(normalized(program, { id: 'x', a: 5 }).eventId).toBe(
    eventIdOf('e|[["a",{"Float":5.0}],["id",{"String":"x"}],["z","Null"]]'),
  )
})

test('listed fields alone count, whatever their order, looked up among mapped fields and then in the record', () => {
  const mappings = { id: { from: 'no', type: 'string' }, other: { from: 'other' } }
  const one = mapped(mappings, { event_id: ['at', 'id'] })
  const two = mapped(mappings, { event_id: ['id', 'at', 'id'] })
  const record = { no: 5, other: 1 }
  expect(normalized(one, record).eventId).toBe(
    eventIdOf('e|[["at",{"String":"2024-01-01T00:00:00Z"}],["id",{"String":"5"}]]'),
  )
  expect(normalized(two, record).eventId).toBe(normalized(one, record).eventId)
  expect(normalized(one, { ...record, other: 2 }).eventId).toBe(normalized(one, record).eventId)
  // The event's own list comes before the source's.
  const own = mapped(mappings, { event_id: ['id'] }, { source: { event_id: ['other'] } })
  expect(normalized(own, record).eventId).toBe(eventIdOf('e|[["id",{"String":"5"}]]'))
  const inherited = mapped(mappings, {}, { source: { event_id: ['other'] } })
  expect(normalized(inherited, record).eventId).toBe(eventIdOf('e|[["other",{"Int":1}]]'))
})

test('nested raw paths are hashed as the values they hold', () => {
  const program = mapped({ id: { from: 'id' } }, { event_id: ['a.b', 'list'] })
  expect(normalized(program, { id: 'x', a: { b: { d: 1, c: 'y' } }, list: [1.5] }).eventId).toBe(
    eventIdOf('e|[["a.b",{"Object":{"c":{"String":"y"},"d":{"Int":1}}}],["list",{"Array":[{"Float":1.5}]}]]'),
  )
})

test('a listed field that is missing fails the event', () => {
  const program = mapped({ id: { from: 'id' } }, { event_id: ['id', 'ref'] })
  expect(rejected(program, { id: 'x' })).toEqual({ field: 'ref', error: "event_id field 'ref' is missing" })
  expect(rejected(program, { ref: 1 })).toEqual({ field: 'id', error: "event_id field 'id' is missing" })
})

test('source and timestamp are not part of the id', () => {
  const program = mapped({ id: { from: 'id' } })
  const first = normalized(program, { id: 'x' })
  expect(normalized(program, { id: 'x', at: '2025-01-01' }).eventId).toBe(first.eventId)
})
