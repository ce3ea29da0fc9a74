import { expect, test } from 'vitest'
import { makeInstant } from '../../src/core/instant.ts'
import { isLate, nextDue } from '../../src/core/time-rules.ts'
import { event, path, run, short, thing, time } from '../support/core-world.ts'

const to = (state: string) => ({ transition: { to: state } })
const rule = (type: string, threshold: string, ...effects: unknown[]) => ({ type, threshold, effects })
const when = { new: { effects: ['create'] } }
const born = event(1, 'new', '01-01')
const ping = (sequence: number, at: string) => event(sequence, 'ping', at)
const upTo = (at: string) => ({ advanceTo: time(at) })

const sleepy = thing({
  states: {
    on: { when, after: [rule('inactivity', '10d', to('asleep'))] },
    asleep: { when: { ping: { effects: [to('on')] } }, after: [rule('state_duration', '5d', to('gone'))] },
    gone: {},
  },
})

test('a rule fires strictly after its threshold, at the crossing time', () => {
  expect(path(run(sleepy, [born], upTo('01-11')))).toEqual(['01-01 00:00 on'])
  const after = run(sleepy, [born], { advanceTo: makeInstant(time('01-11').ms, 1) })
  expect(path(after)).toEqual(['01-01 00:00 on', '01-11 00:00 asleep'])
  expect(short(after.state.stateEnteredTime)).toBe('01-11 00:00')
  expect(short(after.state.lastEventTime)).toBe('01-01 00:00')
  expect(short(after.state.lastFiring)).toBe('01-11 00:00')
})

test('an event exactly at the threshold is in time', () => {
  const result = run(sleepy, [born, ping(2, '01-11'), ping(3, '01-21')])
  expect(path(result)).toEqual(['01-01 00:00 on'])
})

test('rules cascade through the states they enter, in one call or in many', () => {
  const once = run(sleepy, [born], upTo('03-01'))
  expect(path(once)).toEqual(['01-01 00:00 on', '01-11 00:00 asleep', '01-16 00:00 gone'])
  let state = run(sleepy, [born]).state
  const steps: string[] = []
  for (let day = 2; day < 60; day++) {
    const at = makeInstant(time('01-01').ms + day * 86_400_000, 0)
    const result = run(sleepy, [], { from: state, advanceTo: at })
    steps.push(...path(result))
    state = result.state
  }
  expect(steps).toEqual(path(once).slice(1))
})

test('an event advances to its own time first, and is handled in the state it finds', () => {
  expect(path(run(sleepy, [born, ping(2, '01-13')]))).toEqual([
    '01-01 00:00 on',
    '01-11 00:00 asleep',
    '01-13 00:00 on',
  ])
  expect(path(run(sleepy, [born, ping(2, '02-01')]))).toEqual([
    '01-01 00:00 on',
    '01-11 00:00 asleep',
    '01-16 00:00 gone',
  ])
})

test('the earliest crossing fires first, ties in order of declaration', () => {
  const note = (s: string) => ({ set: { property: 's', compute: `coalesce(entity.s, '') + '${s}'` } })
  const entity = thing({
    properties: { s: { type: 'string' } },
    states: {
      on: {
        when,
        after: [
          rule('state_duration', '9d', note('c')),
          rule('inactivity', '3d', note('a')),
          rule('expiration', '3d', note('b')),
        ],
      },
    },
  })
  expect(run(entity, [born], upTo('02-01')).state.properties['s']).toBe('abc')
})

test('after a transition the other rules of the old state are moot', () => {
  const entity = thing({
    states: {
      on: { when, after: [rule('expiration', '2d', to('off')), rule('state_duration', '1d', to('mid'))] },
      mid: {},
      off: {},
    },
  })
  expect(path(run(entity, [born], upTo('02-01')))).toEqual(['01-01 00:00 on', '01-02 00:00 mid'])
})

test('a rule fires once per stay', () => {
  const entity = thing({
    properties: { n: { type: 'integer', default: 0 } },
    states: { on: { when, after: [rule('state_duration', '1d', { increment: { property: 'n' } })] } },
  })
  const result = run(entity, [born, ping(2, '01-05')], upTo('02-01'))
  expect(result.state).toMatchObject({ properties: { n: 1 }, fired: [0] })
  expect(run(entity, [], { from: result.state, ...upTo('03-01') }).changes).toEqual([])
})

test('an event re-arms inactivity alone; a self-transition also state_duration, but never expiration', () => {
  const add = (name: string) => ({ increment: { property: name } })
  const counters = {
    i: { type: 'integer', default: 0 },
    d: { type: 'integer', default: 0 },
    x: { type: 'integer', default: 0 },
  }
  const after = [
    rule('inactivity', '2d', add('i')),
    rule('state_duration', '2d', add('d')),
    rule('expiration', '2d', add('x')),
  ]
  const entity = thing({
    properties: counters,
    states: { on: { when: { ...when, again: { effects: [to('on')] } }, after } },
  })
  const pinged = run(entity, [born, ping(2, '01-10')], upTo('01-20'))
  expect(pinged.state.properties).toEqual({ i: 2, d: 1, x: 1 })
  const again = run(entity, [born, event(2, 'again', '01-10')], upTo('01-20'))
  expect(again.state.properties).toEqual({ i: 2, d: 2, x: 1 })
})

test('inactivity is measured from the later of last event and entry', () => {
  const entity = thing({
    states: {
      on: { when, after: [rule('state_duration', '1d', to('mid'))] },
      mid: { after: [rule('inactivity', '1d', to('end'))] },
      end: {},
    },
  })
  expect(path(run(entity, [born], upTo('02-01')))).toEqual(['01-01 00:00 on', '01-02 00:00 mid', '01-03 00:00 end'])
})

test('an expiration that has passed fires on entry, not before it, and the state is left at once', () => {
  const entity = thing({
    states: {
      on: { when: { ...when, go: { effects: [to('trial')] } } },
      trial: { after: [rule('expiration', '5d', to('over'))] },
      over: {},
    },
  })
  const result = run(entity, [born, event(2, 'go', '01-20')])
  expect(path(result)).toEqual(['01-01 00:00 on', '01-20 00:00 trial', '01-20 00:00 over'])
})

test('conditions, computed properties and a null event', () => {
  const entity = thing({
    properties: {
      a: { type: 'integer', default: 1 },
      b: { type: 'integer', compute: 'entity.a * 2' },
      t: { type: 'datetime' },
    },
    states: {
      on: {
        when,
        after: [
          rule(
            'expiration',
            '1d',
            { set: { property: 'a', value: 5, condition: 'event.x == null' } },
            { set: { property: 'a', value: 7, condition: 'entity.a > 90' } },
            { set: { property: 't', compute: 'now()' } },
          ),
        ],
      },
    },
  })
  expect(run(entity, [born], upTo('02-01')).state.properties).toEqual({ a: 5, b: 10, t: time('01-02') })
})

test('a failing firing is undone, recorded and not repeated', () => {
  const entity = thing({
    properties: { n: { type: 'integer', default: 0 }, s: { type: 'string' } },
    states: {
      on: {
        when,
        after: [
          rule(
            'state_duration',
            '1d',
            { set: { property: 's', value: 'x' } },
            { set: { property: 'n', compute: '1 / entity.n' } },
          ),
          rule('state_duration', '2d', to('off')),
        ],
      },
      off: {},
    },
  })
  const first = run(entity, [born], upTo('01-03'))
  expect(first.failures).toMatchObject([{ field: 'n', handler: null, sequence: null, at: time('01-02') }])
  expect(first.failures[0]?.error).toContain('on.after[0]')
  expect(first.state).toMatchObject({ properties: { n: 0, s: null }, fired: [0], lastFiring: time('01-02') })
  const second = run(entity, [], { from: first.state, ...upTo('02-01') })
  expect(second.failures).toEqual([])
  expect(path(second)).toEqual(['01-03 00:00 off'])
})

test('a loop ends after 10 000 firings', () => {
  const entity = thing({
    states: {
      on: { when, after: [rule('expiration', '1s', to('off'))] },
      off: { after: [rule('expiration', '1s', to('on'))] },
    },
  })
  const result = run(entity, [born], upTo('01-02'))
  expect(result.failures).toMatchObject([{ handler: null, at: time('01-02') }])
  expect(result.failures[0]?.error).toContain('time_rule_loop')
  expect(result.transitions).toBe(10_000)
})

test('next due: the earliest of the rules that have not fired, without those beyond the calendar', () => {
  const entity = thing({
    states: {
      on: {
        when,
        after: [
          rule('inactivity', '10d', to('off')),
          rule('expiration', '3d', { increment: { property: 'n' } }),
          rule('state_duration', '9999999d', to('off')),
        ],
      },
      off: {},
    },
    properties: { n: { type: 'integer' } },
  })
  const created = run(entity, [born]).state
  expect(short(nextDue(entity, created))).toBe('01-04 00:00')
  const fired = run(entity, [], { from: created, ...upTo('01-05') }).state
  expect(short(nextDue(entity, fired))).toBe('01-11 00:00')
  const off = run(entity, [], { from: fired, ...upTo('01-12') }).state
  expect(nextDue(entity, off)).toBeNull()
  expect(nextDue(entity, { ...created, state: null })).toBeNull()
})

test('late: before the last event or snapshot, or not after the last firing', () => {
  const { state } = run(sleepy, [born, ping(2, '01-03')])
  expect(isLate(state, time('01-03'))).toBe(false)
  expect(isLate(state, makeInstant(time('01-03').ms, -1) as never)).toBe(true)
  const asleep = run(sleepy, [], { from: state, ...upTo('01-14') }).state
  expect(isLate(asleep, time('01-13'))).toBe(true)
  expect(isLate(asleep, makeInstant(time('01-13').ms, 1) as never)).toBe(false)
  const missing = run(sleepy, [event(1, 'other', '01-05')]).state
  expect(isLate(missing, time('01-04'))).toBe(true)
  expect(isLate(missing, time('01-05'))).toBe(false)
})
