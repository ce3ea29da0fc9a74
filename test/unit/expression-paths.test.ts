import { describe, expect, test } from 'vitest'
import { compile } from '../../src/core/expression/compile.ts'
import { HANDLER, NORMALIZE, PROPERTY } from '../../src/core/expression/scope.ts'
import { at, contextOf, outcome } from './expression-kit.ts'

const RAW = JSON.parse(
  '{"a":{"b":[0,{"c":9}],"2":"key"},"grid":[[1,2],[3,4]],"s":"text","n":null,"0":"first","__proto__":{"x":1},"constructor":5}',
)

describe('paths into raw records (spec 02 §4)', () => {
  test.each([
    ['event.a.b.1.c', 'Int 9'],
    ['event.a.2', 'String key'],
    ['event.0', 'String first'],
    ['event.a.b.9.c', 'Null'],
    ['event.a.b.x', 'Null'],
    ['event.a.b.length', 'Null'],
    ['event.missing.x.y', 'Null'],
    ['event.s.x', 'Null'],
    ['event.s.length', 'Null'],
    ['event.s.0', 'Null'],
    ['event.n.x', 'Null'],
    ['event.grid[0][1]', 'Int 2'],
    ['event.grid.1.0', 'Int 3'],
    ['event["a"]["b"][1]["c"]', 'Int 9'],
    ['event.a', '{2: String key, b: [Int 0, {c: Int 9}]}'],
    ['event.__proto__.x', 'Int 1'],
    ['event.constructor', 'Int 5'],
    ['event.toString', 'Null'],
    ['event.hasOwnProperty', 'Null'],
    ['event.a.toString', 'Null'],
    ['event.a.__proto__', 'Null'],
    ['event.timestamp', 'Null'],
    ['entity.x', 'Null'],
    ['value', 'Null'],
  ])('%s → %s', (expression, expected) => {
    expect(outcome(expression, { raw: RAW })).toBe(expected)
  })

  test('a record that is no object has no fields', () => {
    for (const raw of [null, 'text', 5]) expect(outcome('event.x', { raw })).toBe('Null')
  })
})

describe('events and entities', () => {
  test.each([
    ['event.timestamp', 'DateTime 2024-06-15T12:00:00+00:00'],
    ['event.event_type', 'String paid'],
    ['event.event_id', 'String e_1'],
    ['event.source', 'String shop'],
    ['event.amount', 'Int 5'],
    ['event.amount.x', 'Null'],
    ['event.missing', 'Null'],
    ['event.toString', 'Null'],
    ['event["amount"]', 'Int 5'],
    ['entity.id', 'String member_1'],
    ['entity.state', 'String active'],
    ['entity.created_time', 'DateTime 2024-01-01T00:00:00+00:00'],
    ['entity.state_entered_time', 'DateTime 2024-02-01T00:00:00+00:00'],
    ['entity.last_event_time', 'DateTime 2024-03-01T00:00:00+00:00'],
    ['entity.tier', 'String gold'],
    ['entity.since.x', 'Null'],
    ['entity.missing', 'Null'],
    ['entity.valueOf', 'Null'],
    ['entity["tier"]', 'String gold'],
  ])('%s → %s', (expression, expected) => {
    const given = { event: { amount: 5 }, entity: { tier: 'gold', since: at('2024-01-01') } }
    expect(outcome(expression, given)).toBe(expected)
  })

  test('a field or property named like a built-in wins, also when it is null', () => {
    const event = { timestamp: 'mine', event_type: null, event_id: 1, source: true }
    const entity = { state: 'CA', id: null }
    expect(outcome('event.timestamp', { event })).toBe('String mine')
    expect(outcome('event.event_type', { event })).toBe('Null')
    expect(outcome('event.event_id', { event })).toBe('Int 1')
    expect(outcome('event.source', { event })).toBe('true')
    expect(outcome('entity.state', { entity })).toBe('String CA')
    expect(outcome('entity.id', { entity })).toBe('Null')
  })

  test('before it is created everything of an entity is null', () => {
    const context = contextOf({ entity: { tier: 'gold' } })
    const unborn = { ...context, entity: context.entity && { ...context.entity, state: null } }
    for (const text of [
      'entity.tier',
      'entity.id',
      'entity.state',
      'entity.last_event_time',
      'entity',
      'entity["tier"]',
    ]) {
      expect(compile(text, HANDLER)(unborn)).toBe(null)
      expect(compile(text, HANDLER)({ ...context, entity: null })).toBe(null)
    }
  })

  test('without an event everything of it is null', () => {
    const context = { ...contextOf({}), event: null }
    for (const text of ['event.x', 'event.timestamp', 'event', 'event.x.y'])
      expect(compile(text, HANDLER)(context)).toBe(null)
    expect(compile('event.timestamp', PROPERTY)(contextOf({}))).toBe(null)
  })

  test('normalize sees its value and nothing else', () => {
    expect(outcome('str::to_lowercase(value)', { value: 'ANA' })).toBe('String ana')
    expect(outcome('value.x', { value: 'ANA' })).toBe('Null')
    expect(outcome('value', { value: null })).toBe('Null')
    expect(compile('event.x', NORMALIZE)(contextOf({ event: { x: 1 }, value: 'a' }))).toBe(null)
  })

  test('one context object may be filled again', () => {
    const context = contextOf({ event: { n: 1 } })
    const next = compile('event.n + 1', HANDLER)
    expect(next(context)).toBe(2)
    context.event = contextOf({ event: { n: 5 } }).event
    expect(next(context)).toBe(6)
  })
})

describe('examples of spec 02 §10', () => {
  const LAST = at('2024-06-01')
  test.each([
    ['event.tier != entity.tier', { event: { tier: 'a' }, entity: { tier: 'b' } }, 'true'],
    [
      'event.amount > 0 and days_since(entity.last_loan) < 365',
      { event: { amount: 5 }, entity: { last_loan: LAST } },
      'true',
    ],
    ['event.amount > 0 and days_since(entity.last_loan) < 365', { event: { amount: 5 } }, 'false'],
    ['entity.last_loan == null or event.timestamp > entity.last_loan + 30d', {}, 'true'],
    ['entity.last_loan == null or event.timestamp > entity.last_loan + 30d', { entity: { last_loan: LAST } }, 'false'],
    ['coalesce(entity.best, 0) < event.score', { event: { score: 1 } }, 'true'],
    [
      'if ends_with(event.email, ".edu") then "student" else coalesce(event.segment, "other")',
      { event: { email: 'a@b.edu' } },
      'String student',
    ],
    ['if ends_with(event.email, ".edu") then "student" else coalesce(event.segment, "other")', {}, 'String other'],
    ['str::trim(event.first + " " + event.last)', { event: { first: 'Ana', last: ' ' } }, 'String Ana'],
    ['max(entity.last_seen, event.timestamp)', { entity: { last_seen: LAST } }, 'DateTime 2024-06-15T12:00:00+00:00'],
    ['regex_extract(event.ref, "^LN-(\\d+)$")', { event: { ref: 'LN-501' } }, 'String 501'],
  ])('%s', (expression, given, expected) => {
    expect(outcome(expression, given)).toBe(expected)
  })
})
