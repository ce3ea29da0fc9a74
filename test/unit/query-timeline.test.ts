import { expect, it } from 'vitest'
import type { EntityDef, PropertyDef } from '../../src/core/definition/model.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import type { Change, EdgeChange } from '../../src/core/snapshot.ts'
import { Float, type Value } from '../../src/core/value.ts'
import { describeChanges } from '../../src/query/timeline.ts'

const at = (text: string): Instant => instantFromText(text) as Instant
const member: EntityDef = {
  starts: 'new',
  identity: {},
  properties: {
    name: { type: 'string' },
    loans: { type: 'integer' },
    fee: { type: 'number' },
    since: { type: 'datetime' },
    ['constructor']: { type: 'string' } as PropertyDef,
  },
  states: { new: {}, active: {} },
}

interface Given {
  time: string
  state: string
  before: string | null
  properties?: Record<string, Value>
  edges?: EdgeChange[]
  rule?: string
  sequence?: number
}
function change({ time, state, before, properties = {}, edges = [], rule, sequence = 1 }: Given): Change {
  const instant = at(time)
  return {
    cause: rule
      ? { kind: 'rule', rule }
      : { kind: 'event', sequence, eventId: `e${sequence}`, eventType: `type${sequence}` },
    stateBefore: before,
    lastEventBefore: null,
    snapshot: {
      entityId: 'm',
      entityType: 'member',
      state,
      properties,
      relationships: edges,
      lastEventTime: instant,
      stateEnteredTime: instant,
      createdTime: instant,
      validFrom: instant,
    },
  }
}
const edge = (targetId: string, ended = false): EdgeChange => ({
  type: 'took_out',
  targetId,
  targetType: 'loan',
  properties: {},
  ended,
})

it('says what every change did, in order', () => {
  const entries = describeChanges(member, [
    change({ time: '2024-01-01', state: 'new', before: null, properties: { name: 'Ada', fee: null } }),
    change({
      time: '2024-01-02',
      state: 'active',
      before: 'new',
      sequence: 2,
      properties: {
        since: at('2024-01-02T01:00:00+01:00'),
        fee: new Float(5),
        loans: 1,
        name: 'Ada',
        constructor: 'x',
      },
      edges: [edge('l1'), edge('l0', true), edge('l2')],
    }),
    change({
      time: '2024-01-02',
      state: 'active',
      before: 'active',
      sequence: 3,
      properties: { fee: 2.5, loans: 2, since: null, name: 'Ada', constructor: 'x' },
    }),
    change({ time: '2024-02-01', state: 'new', before: 'active', rule: 'active.after[0]', properties: { name: 'Bo' } }),
  ])
  expect(entries).toEqual([
    {
      timestamp: '2024-01-01T00:00:00+00:00',
      eventType: 'type1',
      eventId: 'e1',
      effects: ['Entity created', 'name: Ada'],
      stateBefore: null,
      stateAfter: 'new',
    },
    {
      timestamp: '2024-01-02T00:00:00+00:00',
      eventType: 'type2',
      eventId: 'e2',
      effects: [
        'State: new → active',
        'loans: 1',
        'fee: 5',
        'since: 2024-01-02T00:00:00+00:00',
        'constructor: x',
        'Related: took_out → l1',
        'Related: took_out → l2',
      ],
      stateBefore: 'new',
      stateAfter: 'active',
    },
    {
      timestamp: '2024-01-02T00:00:00+00:00',
      eventType: 'type3',
      eventId: 'e3',
      effects: ['loans: 1 → 2', 'fee: 5 → 2.5', 'since: 2024-01-02T00:00:00+00:00 → (none)'],
      stateBefore: 'active',
      stateAfter: 'active',
    },
    {
      timestamp: '2024-02-01T00:00:00+00:00',
      eventType: '_time_rule',
      eventId: 'active.after[0]',
      effects: [
        'State: active → new',
        'name: Ada → Bo',
        'loans: 2 → (none)',
        'fee: 2.5 → (none)',
        'constructor: x → (none)',
      ],
      stateBefore: 'active',
      stateAfter: 'new',
    },
  ])
})

it('puts merges and events without a change where their time belongs', () => {
  const changes = [
    change({ time: '2024-01-02', state: 'new', before: null, sequence: 2 }),
    change({ time: '2024-01-04', state: 'active', before: 'new', sequence: 4 }),
  ]
  const event = (sequence: number) => ({
    sequence,
    eventId: `e${sequence}`,
    eventType: `type${sequence}`,
    timestamp: at(`2024-01-0${sequence}`),
  })
  const entries = describeChanges(member, changes, {
    events: [1, 2, 3, 4, 5].map(event),
    merges: [{ from: 'lost', timestamp: '2024-01-04T00:00:00+00:00', reason: 'shared hint' }],
  })
  expect(entries.map((entry) => [entry.eventType, entry.effects, entry.stateBefore, entry.stateAfter])).toEqual([
    ['type1', [], null, null],
    ['type2', ['Entity created'], null, 'new'],
    ['type3', [], 'new', 'new'],
    ['type4', ['State: new → active'], 'new', 'active'],
    ['_merge', ['Merged: lost'], 'active', 'active'],
    ['type5', [], 'active', 'active'],
  ])
  expect(describeChanges(member, [])).toEqual([])
})

it('keeps the order of one instant: by number, a rule after the events, or right behind the one that woke it', () => {
  const instant = '2024-01-02'
  const event = (sequence: number) => ({
    sequence,
    eventId: `e${sequence}`,
    eventType: `type${sequence}`,
    timestamp: at(instant),
  })
  const created = change({ time: '2024-01-01', state: 'new', before: null, sequence: 1 })
  const order = (...changes: Change[]): string[] =>
    describeChanges(member, [created, ...changes], {
      events: [2, 3, 4].map(event),
      merges: [{ from: 'lost', timestamp: '2024-01-02T00:00:00+00:00', reason: 'shared hint' }],
    }).map((entry) => `${entry.eventType} ${entry.stateBefore}`)
  expect(order(change({ time: instant, state: 'active', before: 'new', sequence: 3 }))).toEqual([
    'type1 null',
    'type2 new',
    'type3 new',
    'type4 active',
    '_merge active',
  ])
  expect(order(change({ time: instant, state: 'active', before: 'new', rule: 'new.after[0]' }))).toEqual([
    'type1 null',
    'type2 new',
    'type3 new',
    'type4 new',
    '_time_rule new',
    '_merge active',
  ])
  const entered = change({ time: instant, state: 'active', before: 'new', sequence: 3 })
  const left = change({ time: instant, state: 'new', before: 'active', rule: 'active.after[0]' })
  expect(order(entered, left)).toEqual([
    'type1 null',
    'type2 new',
    'type3 new',
    '_time_rule active',
    'type4 new',
    '_merge new',
  ])
})
