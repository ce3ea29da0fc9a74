import { describe, expect, test } from 'vitest'
import { Duration, Instant, makeInstant } from '../../src/core/instant.ts'
import { decodeEvent, normalizeBatch, rehint } from '../../src/core/normalize.ts'
import { Float, toFloat } from '../../src/core/value.ts'
import { mapped, normalizeAll, normalized, rejected, time } from '../support/core-world.ts'

const plain = mapped({ id: { from: 'id' } })
const value = (from: string, record: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  normalized(mapped({ id: { from: 'id' }, x: { from, ...more } }), record).data['x']

describe('records', () => {
  test.each([[null], [7], ['text'], [[{}]], [true], [new Map()], [new Date()]])('%o is no record', (record) => {
    expect(rejected(plain, record)).toEqual({ field: null, error: 'record must be an object' })
  })

  test('a record that could not be read fails with its reason', () => {
    const source = plain.sources.get('app')
    const { failures } = normalizeBatch(
      plain,
      source as never,
      [{ value: undefined, text: '{', problem: 'not JSON' }],
      time('01-01'),
    )
    expect(failures).toEqual([{ index: 0, error: 'not JSON', field: null, eventType: null, eventId: null }])
  })

  test('a bad record does not stop the others', () => {
    const good = { type: 'e', at: 0, id: 'x' }
    const batch = normalizeAll(plain, [good, 5, { ...good, type: 'nope' }, good])
    expect(batch.indexes).toEqual([0, 3])
    expect(batch.failures.map(({ index, field, eventType }) => [index, field, eventType])).toEqual([
      [1, null, null],
      [2, 'type', null],
    ])
  })

  test.each<[string, unknown, string]>([
    ['a date', new Date(0), "'deep.1.x' is not JSON: Date"],
    ['a map', new Map(), "'deep.1.x' is not JSON: Map"],
    ['an instance', new Instant(0), "'deep.1.x' is not JSON: Instant"],
    ['undefined', undefined, "'deep.1.x' is not JSON: undefined"],
    ['a function', () => 1, "'deep.1.x' is not JSON: function"],
    ['a symbol', Symbol('s'), "'deep.1.x' is not JSON: symbol"],
    ['not a number', Number.NaN, "'deep.1.x' is not JSON: no finite number"],
    ['infinity', Number.POSITIVE_INFINITY, "'deep.1.x' is not JSON: no finite number"],
  ])('%s inside is refused, never made text of', (_, bad, error) => {
    expect(rejected(plain, { id: 'a', deep: [1, { x: bad }] })).toEqual({ field: 'deep.1.x', error })
  })

  test('cycles and nesting beyond 512 levels are refused', () => {
    const cycle: Record<string, unknown> = { id: 'a' }
    cycle['self'] = [cycle]
    expect(rejected(plain, cycle).error).toContain('nested deeper than 512 levels')
    const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)
    expect(normalized(plain, { id: 'a', x: nested(511) }).rawJson).toContain('[[[[')
    expect(rejected(plain, { id: 'a', x: nested(512) }).error).toContain('nested deeper than 512 levels')
    const text = `{"type":"e","at":0,"id":"a","x":${'['.repeat(512)}${']'.repeat(512)}}`
    const { failures } = normalizeBatch(
      plain,
      plain.sources.get('app') as never,
      [{ value: JSON.parse(text), text }],
      time('01-01'),
    )
    expect(failures[0]?.error).toContain('nested deeper than 512 levels')
  })

  test('raw is the text as received, else the JSON of the value', () => {
    const text = '{ "type": "e", "at": 0,\n "id": "x", "n": 1.0 }'
    const source = plain.sources.get('app') as never
    const { events } = normalizeBatch(plain, source, [{ value: JSON.parse(text), text }], time('01-01'))
    expect(events[0]?.rawJson).toBe(text)
    expect(normalized(plain, { id: 'x', big: 2n ** 60n }).rawJson).toBe(
      '{"type":"e","at":"2024-01-01T00:00:00Z","id":"x","big":1152921504606846976}',
    )
    expect(normalized(plain, Object.assign(Object.create(null), { id: 'x' })).rawJson).toContain('"id":"x"')
  })

  test('numbers mean what their raw JSON means', () => {
    expect(value('n', { n: 5n })).toBe(5)
    expect(value('n', { n: 2n ** 60n })).toBe(2n ** 60n)
    expect(value('n', { n: 2n ** 70n })).toBe(2 ** 70)
    expect(Object.is(value('n', { n: -0 }), 0)).toBe(true)
  })

  test('__proto__ in a record is a key like any other', () => {
    const record = JSON.parse('{"type": "e", "at": 0, "id": "a", "__proto__": {"polluted": true}}')
    const program = mapped({
      id: { from: 'id' },
      x: { from: '__proto__' },
      y: { from: 'polluted' },
      z: { from: 'a.__proto__' },
    })
    const { events } = normalizeAll(program, [record, { ...record, a: {} }])
    expect(events[0]?.data).toEqual({ id: 'a', x: { polluted: true }, y: null, z: null })
    expect(events[0]?.rawJson).toBe('{"type":"e","at":0,"id":"a","__proto__":{"polluted":true}}')
    expect(events[1]?.data['z']).toBeNull()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('type, match and timestamp', () => {
  test('the event type must be text and known; raw_type hides the own name', () => {
    expect(rejected(plain, { type: 5 })).toMatchObject({ field: 'type' })
    expect(rejected(plain, { type: null })).toMatchObject({ field: 'type' })
    expect(rejected(plain, { type: 'E' })).toEqual({ field: 'type', error: "unknown event type for source 'app'" })
    const renamed = mapped({ id: { from: 'id' } }, { raw_type: 'e.raw' })
    expect(rejected(renamed, { id: 'a' })).toMatchObject({ field: 'type' })
    expect(normalized(renamed, { type: 'e.raw', id: 'a' }).eventType).toBe('e')
  })

  test('event type and timestamp are paths', () => {
    const program = mapped({ id: { from: 'id' } }, {}, { source: { event_type: 'meta.kind', timestamp: 'meta.0.at' } })
    const source = program.sources.get('app') as never
    const records = [
      { 'meta.kind': 'e', 'meta.0.at': 0 },
      { meta: { kind: 'e' } },
      { 'meta.kind': 'e', meta: [{ at: 5 }] },
    ]
    const { events, failures } = normalizeBatch(
      program,
      source,
      records.map((record) => ({ value: record })),
      time('01-01'),
    )
    expect(events.map((event) => event.timestamp.ms)).toEqual([0, 5000])
    expect(failures[0]).toMatchObject({ index: 1, field: 'meta.0.at', eventType: 'e' })
  })

  test.each([[null], [undefined], [true], [[]], [{}], ['soon'], ['2024-02-30'], [1e300]])(
    '%o is no timestamp',
    (at) => {
      const record: Record<string, unknown> = { type: 'e', id: 'a', at }
      if (at === undefined) delete record['at']
      const { failures } = normalizeAll(plain, [record])
      expect(failures).toMatchObject([{ field: 'at', eventType: 'e' }])
    },
  )

  test('epochs and ISO forms give microseconds', () => {
    expect(normalized(plain, { at: 1_700_000_000.25 }).timestamp).toEqual(new Instant(1_700_000_000_250))
    expect(normalized(plain, { at: '1700000000250001' }).timestamp).toEqual(makeInstant(1_700_000_000_250, 1))
    expect(normalized(plain, { at: '20240115T100000+02' }).timestamp).toEqual(time('2024-01-15T08:00:00Z'))
  })
})

describe('mappings', () => {
  test.each<[string, Record<string, unknown>, unknown]>([
    ['a.b.1.c', { a: { b: [0, { c: 9 }] } }, 9],
    ['a.b', { 'a.b': 1, a: { b: 2 } }, 1],
    ['a.b', { 'a.b': null, a: { b: 2 } }, null],
    ['a.b', { a: 5 }, null],
    ['a.length', { a: [1] }, null],
    ['a.length', { a: 'text' }, null],
    ['a.-1', { a: [1] }, null],
    ['a.0', { a: { 0: 'key' } }, 'key'],
    ['toString', {}, null],
    ['a.constructor', { a: {} }, null],
    ['a', { a: '' }, ''],
    ['a', { a: { b: [1, null] } }, { b: [1, null] }],
  ])('from %s', (from, record, expected) => {
    expect(value(from, record)).toEqual(expected)
  })

  test.each<[Record<string, unknown>, Record<string, unknown>, unknown]>([
    [{ type: 'integer' }, { n: '+7' }, 7],
    [{ type: 'number' }, { n: 5 }, new Float(5)],
    [{ type: 'number', default: '0' }, {}, new Float(0)],
    [{ type: 'number', default: '0' }, { n: null }, new Float(0)],
    [{ type: 'string' }, { n: 501 }, '501'],
    [{ type: 'datetime' }, { n: '2024-01-01' }, time('2024-01-01')],
    [{ default: 'unknown' }, {}, 'unknown'],
    [{ default: 'unknown' }, { n: '' }, ''],
  ])('%o of %o', (mapping, record, expected) => {
    expect(value('n', record, mapping)).toEqual(expected)
  })

  test('a failing coercion fails the event; the default does not rescue it', () => {
    const program = mapped({ id: { from: 'id' }, n: { from: 'n', type: 'number', default: 0 } })
    expect(rejected(program, { n: 'bad' })).toMatchObject({ field: 'n' })
    expect(rejected(program, { n: 'secret' }).error).not.toContain('secret')
  })

  test('compute sees the raw record and the event time, and fails with its field', () => {
    const program = mapped({
      id: { from: 'id' },
      host: { compute: "split(event.mail, '@')[1]" },
      when: { compute: 'now() + 1d' },
      half: { compute: 'event.n / 2', type: 'number' },
    })
    const { data } = normalized(program, { mail: 'a@b.c', n: 7 })
    expect(data).toMatchObject({ host: 'b.c', when: time('01-02'), half: new Float(3) })
    expect(normalized(program, {}).data['host']).toBeNull()
    expect(rejected(program, { n: 'x' })).toMatchObject({ field: 'half' })
  })

  test('with the wall clock, now() is the time of the batch', () => {
    const program = mapped({ id: { from: 'id' }, w: { compute: 'now()' } }, {}, {}, { expressionClock: 'wall' })
    expect(normalized(program, { id: 'a' }).data['w']).toEqual(time('2030-01-01'))
  })

  test('a field with neither from nor compute is its default', () => {
    expect(normalized(mapped({ id: { from: 'id' }, k: { default: 5 } }), {}).data['k']).toBe(5)
  })
})

describe('schemas', () => {
  const fields = (x: Record<string, unknown>) => ({ e: { fields: { id: { type: 'string' }, x } } })
  const check = (x: Record<string, unknown>, given: unknown, mode?: 'warn' | 'off') => {
    const program = mapped(
      { id: { from: 'id' }, x: { from: 'x' } },
      {},
      { schemas: fields(x) },
      mode === undefined ? {} : { schemaValidation: mode },
    )
    return normalizeAll(program, [{ type: 'e', at: 0, id: 'a', x: given }])
  }
  test.each<[Record<string, unknown>, unknown, boolean]>([
    [{ type: 'string' }, null, true],
    [{ type: 'string', required: true }, null, false],
    [{ type: 'string', required: true }, '', true],
    [{ type: 'string' }, 5, false],
    [{ type: 'number' }, 5, true],
    [{ type: 'number' }, '5', false],
    [{ type: 'integer' }, 5.5, false],
    [{ type: 'integer' }, 1e300, true],
    [{ type: 'boolean' }, true, true],
    [{ type: 'boolean' }, 1, false],
    [{ type: 'datetime' }, '2024-01-01', true],
    [{ type: 'datetime' }, 'soon', false],
    [{ type: 'integer', allowed: [1, 2] }, 2, true],
    [{ type: 'integer', allowed: [1, 2] }, 3, false],
    [{ type: 'number', min: 1, max: 2 }, 1, true],
    [{ type: 'number', min: 1, max: 2 }, 2, true],
    [{ type: 'number', min: 1, max: 2 }, 2.5, false],
    [{ type: 'number', min: 1, max: 2 }, 0.5, false],
    [{ type: 'string', min_length: 2 }, '😀', false],
    [{ type: 'string', min_length: 2 }, '😀a', true],
    [{ type: 'string', regex: 'b+' }, 'abbc', true],
    [{ type: 'string', regex: '^b+$' }, 'abbc', false],
  ])('%o accepts %o: %s', (rule, given, accepted) => {
    const batch = check(rule, given)
    expect(batch.events.length).toBe(accepted ? 1 : 0)
    expect(batch.failures.map((failure) => failure.field)).toEqual(accepted ? [] : ['x'])
  })

  test('warn ingests and reports, off does neither', () => {
    const warned = check({ type: 'string' }, 5, 'warn')
    expect(warned.events.length).toBe(1)
    expect(warned.failures).toMatchObject([
      { index: 0, field: 'x', advisory: true, eventId: warned.events[0]?.eventId },
    ])
    expect(check({ type: 'string' }, 5, 'off')).toMatchObject({ failures: [], indexes: [0] })
  })
})

describe('hints', () => {
  const program = mapped(
    {
      id: { from: 'id' },
      mail: { from: 'mail' },
      n: { from: 'n', type: 'number' },
      t: { from: 't', type: 'datetime' },
    },
    {},
    {
      identity: {
        id: {},
        mail: { match: 'case_insensitive', normalize: 'str::trim(value)' },
        n: {},
        t: {},
      },
    },
  )
  test('canonical texts', () => {
    const event = normalized(program, { id: 5551234, mail: ' Ana@Shop.IO ', n: 5551234, t: '2024-01-01' })
    expect(event.hints).toEqual({
      thing: { id: '5551234', mail: 'ana@shop.io', n: '5551234', t: '2024-01-01T00:00:00+00:00' },
    })
    expect(event.hintsJson).toBe(JSON.stringify(event.hints))
    expect(event.data['mail']).toBe(' Ana@Shop.IO ')
  })

  test.each([[null], [''], [true], [[1]], [{}]])('%o is no hint', (id) => {
    const event = normalized(program, { id, mail: ' ' })
    expect(event.hints).toEqual({})
    expect(event.hintsJson).toBe('{}')
  })

  test('normalize: null is no hint, numbers become text, errors and other kinds fail the event', () => {
    const by = (normalize: string) => mapped({ id: { from: 'id' } }, {}, { identity: { id: { normalize } } })
    expect(normalized(by('if value == "-" then null else value'), { id: '-' }).hints).toEqual({})
    expect(normalized(by('to_int(value)'), { id: '007' }).hints).toEqual({ thing: { id: '7' } })
    expect(normalized(by('to_float(value)'), { id: '7.0' }).hints).toEqual({ thing: { id: '7' } })
    expect(rejected(by('to_int(value)'), { id: 'x' })).toMatchObject({ field: 'id' })
    expect(rejected(by('value == "x"'), { id: 'x' })).toMatchObject({ field: 'id' })
    expect(rejected(by('split(value, ",")'), { id: 'x' })).toMatchObject({ field: 'id' })
  })

  test('extracted again from what is stored', () => {
    const event = normalized(program, { id: 1, mail: ' Ana@Shop.IO ', n: 2.5, t: '2024-01-01' })
    const stored = {
      sequence: 1,
      eventId: event.eventId,
      eventType: 'e',
      timestamp: event.timestamp.toString(),
      source: 'app',
      data: event.dataJson,
      kinds: event.kindsJson,
    }
    const again = rehint(program, decodeEvent(program, stored))
    expect(again).toEqual({ hints: event.hints, hintsJson: event.hintsJson })
    const failing = mapped({ id: { from: 'id' } }, {}, { identity: { id: { normalize: 'to_int(value)' } } })
    expect(rehint(failing, { ...decodeEvent(program, stored), data: { id: 'x' } })).toMatchObject({ field: 'id' })
    expect(rehint(program, { ...decodeEvent(program, stored), source: 'gone' })).toEqual({ hints: {}, hintsJson: '{}' })
  })
})

test('every kind of value survives the ledger', () => {
  const program = mapped({
    id: { from: 'id' },
    number: { from: 'whole', type: 'number' },
    time: { from: 'time', type: 'datetime' },
    untyped: { compute: 'to_float(event.whole)' },
    moment: { compute: 'parse_datetime("2024-02-03", "%Y-%m-%d")' },
    span: { compute: '90m' },
    big: { from: 'big' },
    huge: { compute: 'to_float(event.big)' },
    nested: { from: 'nested' },
  })
  const event = normalized(program, {
    id: 'a',
    whole: 5,
    time: 0,
    big: 2n ** 60n,
    nested: { a: [1, 2.5, 'x', null, true] },
  })
  const decoded = decodeEvent(program, {
    sequence: 1,
    eventId: event.eventId,
    eventType: 'e',
    timestamp: event.timestamp.toString(),
    source: 'app',
    data: event.dataJson,
    kinds: event.kindsJson,
  })
  expect(decoded.data).toEqual(event.data)
  expect(event.data).toEqual({
    id: 'a',
    number: toFloat(5),
    time: new Instant(0),
    untyped: toFloat(5),
    moment: time('02-03'),
    span: new Duration(5_400_000),
    big: 2n ** 60n,
    huge: 2 ** 60,
    nested: { a: [1, 2.5, 'x', null, true] },
  })
  expect(JSON.parse(event.kindsJson ?? '')).toEqual({ untyped: 'f', moment: 't', span: 'd', huge: 'f' })
  expect(decoded.timestamp).toEqual(event.timestamp)
})
