import { describe, expect, test } from 'vitest'
import { toFloat } from '../../src/core/value.ts'
import { event, path, programOf, run, short, thing, time } from '../support/core-world.ts'

const create = { new: { effects: ['create'] } }
const born = event(1, 'new', '01-01')
const last = (result: ReturnType<typeof run>) => result.changes.at(-1)?.snapshot

describe('handlers', () => {
  test('an event without a handler changes nothing but counts as activity', () => {
    const entity = thing({ states: { on: { when: create } } })
    const before = run(entity, [event(1, 'other', '01-01')])
    expect(before).toMatchObject({ changes: [], failures: [], created: false, touched: true })
    expect(before.state).toMatchObject({ state: null, createdTime: null })
    expect(short(before.state.lastEventTime)).toBe('01-01 00:00')
    const after = run(entity, [born, event(2, 'other', '01-03')])
    expect(path(after)).toEqual(['01-01 00:00 on'])
    expect(short(after.state.lastEventTime)).toBe('01-03 00:00')
    expect(short(after.state.lastSnapshot)).toBe('01-01 00:00')
  })

  test('a handler without create does not run on a missing entity', () => {
    const entity = thing({
      properties: { n: { type: 'integer', default: 0 } },
      states: { on: { when: { ...create, up: { effects: [{ increment: { property: 'n' } }] } } } },
    })
    const result = run(entity, [event(1, 'up', '01-01'), event(2, 'new', '01-02')])
    expect(result.failures).toEqual([])
    expect(last(result)?.properties).toEqual({ n: 0 })
  })

  test('both handlers are chosen first; always sees what the state handler did', () => {
    const set = (value: string) => ({ set: { property: 's', value } })
    const entity = thing({
      properties: { s: { type: 'string' }, seen: { type: 'string' } },
      states: {
        on: { when: { new: { effects: ['create', { transition: { to: 'off' } }, set('first')] } } },
        off: { when: { new: { effects: [set('never')] } } },
      },
      always: { new: { guard: "entity.state == 'off'", effects: [{ set: { property: 'seen', from: 'entity.s' } }] } },
    })
    const result = run(entity, [born])
    expect(path(result)).toEqual(['01-01 00:00 off'])
    expect(last(result)?.properties).toEqual({ s: 'first', seen: 'first' })
  })

  test('an always handler runs on a missing entity only if it creates or the state handler just did', () => {
    const bump = { effects: [{ increment: { property: 'n' } }] }
    const parts = { properties: { n: { type: 'integer' } }, states: { on: { when: create } } }
    const skipped = thing({ ...parts, always: { new: bump, other: bump } })
    expect(run(skipped, [event(1, 'other', '01-01')]).failures).toEqual([])
    expect(last(run(skipped, [born]))?.properties).toEqual({ n: 1 })
    const creating = thing({ ...parts, always: { other: { effects: ['create', ...bump.effects] } } })
    expect(last(run(creating, [event(1, 'other', '01-01')]))?.properties).toEqual({ n: 1 })
  })

  test('a guard of null is false, another kind fails the event', () => {
    const guarded = (guard: string) =>
      run(thing({ states: { on: { when: { new: { guard, effects: ['create'] } } } } }), [born])
    expect(guarded('event.x > 1').changes).toEqual([])
    expect(guarded('event.x == null').created).toBe(true)
    expect(guarded('coalesce(event.x, 1)').failures).toMatchObject([
      { handler: 'new', field: null, sequence: 1, eventId: 'e_1' },
    ])
  })

  test('system events are not interpreted and are no activity', () => {
    const entity = thing({ states: { on: { when: create } } })
    expect(run(entity, [event(1, '_defacto_merge', '01-01')]).state.lastEventTime).toBeNull()
  })
})

describe('effects', () => {
  const when = (effects: unknown[]) => ({ on: { when: { new: { effects: ['create'] }, e: { effects } } } })
  const properties = {
    n: { type: 'integer', default: 1, max: 5 },
    f: { type: 'number', default: 0 },
    s: { type: 'string', default: 'x' },
    t: { type: 'datetime' },
    b: { type: 'boolean' },
  }
  const applied = (effects: unknown[], data = {}) =>
    run(thing({ properties, states: when(effects) }), [born, event(2, 'e', '01-02', data)])

  test('create fills defaults, in the kind of the property', () => {
    const { snapshot } = run(thing({ properties, states: when(['create']) }), [born]).changes[0] ?? {}
    expect(snapshot?.properties).toEqual({ n: 1, f: toFloat(0), s: 'x', t: null, b: null })
    expect(short(snapshot?.createdTime ?? null)).toBe('01-01 00:00')
    expect(applied(['create']).changes.length).toBe(1)
  })

  test('set: path, literal, expression; missing is null; null clears', () => {
    const { properties: p } = last(
      applied(
        [
          { set: { property: 's', from: 'event.list.1.k' } },
          { set: { property: 'n', value: null } },
          { set: { property: 't', from: 'event.timestamp' } },
          { set: { property: 'b', compute: 'entity.n == null' } },
          { set: { property: 'f', from: 'event.none' } },
        ],
        { list: [0, { k: 7 }] },
      ),
    ) ?? { properties: {} }
    expect(p).toEqual({ s: '7', n: null, t: time('01-02'), b: true, f: null })
  })

  test('a mapped field wins over a built-in of its name', () => {
    const result = applied([{ set: { property: 's', from: 'event.source' } }], { source: 'mine' })
    expect(last(result)?.properties['s']).toBe('mine')
    expect(last(applied([{ set: { property: 's', from: 'event.source' } }]))?.properties['s']).toBe('app')
  })

  test('increment: null is 0, Int stays Int, out of range or over max fails', () => {
    const up = (by: number, property = 'n') => ({ increment: { property, by } })
    expect(last(applied([up(2), up(-3)]))?.properties['n']).toBe(0)
    expect(last(applied([up(0.5, 'f'), up(0.5, 'f')]))?.properties['f']).toEqual(toFloat(1))
    const failed = applied([up(2), up(9)])
    expect(failed.failures).toMatchObject([{ field: 'n', handler: 'e', sequence: 2 }])
    expect(failed.state.properties['n']).toBe(1)
    const cleared = applied([{ set: { property: 'f', value: null } }, up(2, 'f')])
    expect(last(cleared)?.properties['f']).toEqual(toFloat(2))
  })

  test('a condition leaves out its effect alone', () => {
    const result = applied([
      { set: { property: 's', value: 'a', condition: 'event.x' } },
      { increment: { property: 'n', condition: 'event.y == 1' } },
      { transition: { to: 'on', condition: 'false' } },
    ])
    expect(result.changes.length).toBe(1)
    expect(result.effects).toBe(1)
  })

  test('writing what is there already is no change', () => {
    expect(applied([{ set: { property: 's', value: 'x' } }, { set: { property: 'f', value: 0 } }]).changes.length).toBe(
      1,
    )
  })

  test('a transition to the same state is a change and enters it again', () => {
    const result = applied([{ transition: { to: 'on' } }])
    expect(path(result)).toEqual(['01-01 00:00 on', '01-02 00:00 on'])
    expect(short(result.state.stateEnteredTime)).toBe('01-02 00:00')
    expect(result.transitions).toBe(1)
  })

  test('a failing event leaves the entity as it was, and the next one goes on', () => {
    const entity = thing({
      properties,
      states: {
        on: {
          when: {
            new: { effects: ['create'] },
            bad: {
              effects: [
                { set: { property: 's', value: 'bad' } },
                { transition: { to: 'off' } },
                { set: { property: 'n', from: 'event.n' } },
              ],
            },
            good: { effects: [{ increment: { property: 'n' } }] },
          },
        },
        off: {},
      },
    })
    const result = run(entity, [born, event(2, 'bad', '01-02', { n: 'many' }), event(3, 'good', '01-03')])
    expect(path(result)).toEqual(['01-01 00:00 on', '01-03 00:00 on'])
    expect(result.state.properties).toMatchObject({ s: 'x', n: 2 })
    expect(result.failures).toMatchObject([
      { field: 'n', handler: 'bad', sequence: 2, eventId: 'e_2', at: time('01-02') },
    ])
    expect(result.failures[0]?.error).not.toContain('many')
    expect([result.effects, result.transitions]).toEqual([2, 0])
    // It counts as activity: the row that the good one closes has seen it.
    expect(short(result.changes[1]?.lastEventBefore ?? null)).toBe('01-02 00:00')
  })

  test('a failing creation leaves no entity', () => {
    const entity = thing({
      properties,
      states: { on: { when: { new: { effects: ['create', { set: { property: 'n', value: 9 } }] } } } },
    })
    const result = run(entity, [born])
    expect(result).toMatchObject({ created: false, changes: [], failures: [{ field: 'n' }] })
    expect(result.state).toMatchObject({ state: null, properties: {}, createdTime: null, stateEnteredTime: null })
  })

  test('effects before create, if the load checks are bypassed, fail', () => {
    const entity = thing({
      properties,
      states: { on: { when: { new: { effects: [{ increment: { property: 'n' } }, 'create'] } } } },
    })
    expect(run(entity, [born]).failures).toMatchObject([{ handler: 'new', field: null }])
  })
})

describe('computed properties', () => {
  const entity = thing({
    properties: {
      band: { type: 'string', compute: "if entity.yearly >= 120 then 'high' else 'low'" },
      yearly: { type: 'number', compute: 'entity.fee * 12' },
      fee: { type: 'number', default: 0 },
      ratio: { type: 'number', compute: '10 / (entity.fee - 1)' },
    },
    states: { on: { when: { ...create, fee: { effects: [{ set: { property: 'fee', from: 'event.fee' } }] } } } },
  })

  test('follow each other whatever their order of declaration', () => {
    const result = run(entity, [born, event(2, 'fee', '01-02', { fee: 15 })])
    expect(result.changes.map(({ snapshot }) => [snapshot.properties['yearly'], snapshot.properties['band']])).toEqual([
      [toFloat(0), 'low'],
      [toFloat(180), 'high'],
    ])
  })

  test('a failing one fails the event, with its name', () => {
    const result = run(entity, [born, event(2, 'fee', '01-02', { fee: 1 })])
    expect(result.failures).toMatchObject([{ field: 'ratio', handler: 'fee' }])
    expect(result.state.properties['fee']).toEqual(toFloat(0))
  })

  test('are not looked at when no effect ran', () => {
    const daily = thing({
      properties: { age: { type: 'integer', compute: 'days_since(entity.created_time)' }, x: { type: 'integer' } },
      states: {
        on: { when: { ...create, tick: { guard: 'event.go', effects: [{ set: { property: 'x', value: 1 } }] } } },
      },
    })
    expect(run(daily, [born, event(2, 'tick', '01-05', { go: false })]).changes.length).toBe(1)
    expect(last(run(daily, [born, event(2, 'tick', '01-05', { go: true })]))?.properties).toEqual({ age: 4, x: 1 })
  })
})

describe('relationships', () => {
  const world = (cardinality: string, inverse: string) =>
    programOf({
      entities: {
        loan: {
          starts: 'open',
          identity: { no: {} },
          states: {
            open: {
              when: {
                lent: {
                  effects: [
                    'create',
                    {
                      relate: {
                        type: 'taken_by',
                        target: 'member',
                        hints: { member: ['card', 'mail'] },
                        properties: { deposit: { from: 'event.deposit' } },
                      },
                    },
                  ],
                },
              },
            },
          },
          relationships: [
            {
              type: 'taken_by',
              target: 'member',
              cardinality,
              properties: { deposit: { type: 'number', max: 100 }, kind: { type: 'string', default: 'plain' } },
            },
          ],
        },
        member: {
          starts: 'on',
          identity: {
            card: {},
            mail: { match: 'case_insensitive', normalize: 'if value == "bad" then str::trim(5) else value' },
          },
          states: { on: { when: create } },
          relationships: [{ type: 'took', target: 'loan', cardinality: inverse }],
        },
      },
    })
  const loan = (cardinality = 'belongs_to', inverse = 'has_many') => {
    const entity = world(cardinality, inverse).entities.get('loan')
    if (entity === undefined) throw new Error('no loan')
    return entity
  }
  const lent = (sequence: number, at: string, data: Record<string, string | number | null>) =>
    event(sequence, 'lent', at, { deposit: null, ...data })

  test('edges hold conformed properties and defaults; the target is found by canonical hints', () => {
    const asked: unknown[] = []
    const result = run(loan(), [lent(1, '01-01', { mail: 'A@B', card: 7, deposit: '5' })], {
      targets: (type, hints) => {
        asked.push([type, hints])
        return 'm-1'
      },
    })
    expect(asked).toEqual([['member', { card: '7', mail: 'a@b' }]])
    expect(result.state.edges).toEqual([
      { type: 'taken_by', targetId: 'm-1', targetType: 'member', properties: { deposit: toFloat(5), kind: 'plain' } },
    ])
    expect(last(result)?.relationships).toEqual([{ ...result.state.edges[0], ended: false }])
  })

  test('an identical edge is no change, other properties are', () => {
    const events = [
      lent(1, '01-01', { card: 7, deposit: 5 }),
      lent(2, '01-02', { card: 7, deposit: 5 }),
      lent(3, '01-03', { card: 7, deposit: 6 }),
    ]
    expect(
      run(loan(), events).changes.map(({ snapshot }) => [short(snapshot.validFrom), snapshot.relationships.length]),
    ).toEqual([
      ['01-01 00:00', 1],
      ['01-03 00:00', 1],
    ])
  })

  test.each(['belongs_to', 'has_one'])('%s ends the previous edge of its name', (cardinality) => {
    const entity = loan(cardinality, cardinality === 'has_one' ? 'belongs_to' : 'has_many')
    const result = run(entity, [lent(1, '01-01', { card: 7 }), lent(2, '01-02', { card: 8 })])
    expect(result.state.edges.map((edge) => edge.targetId)).toEqual(['8'])
    expect(last(result)?.relationships.map(({ targetId, ended }) => [targetId, ended])).toEqual([
      ['7', true],
      ['8', false],
    ])
  })

  test('many_to_many accumulates', () => {
    const result = run(loan('many_to_many', 'many_to_many'), [
      lent(1, '01-01', { card: 7 }),
      lent(2, '01-02', { card: 8 }),
    ])
    expect(result.state.edges.map((edge) => edge.targetId)).toEqual(['7', '8'])
    expect(last(result)?.relationships.length).toBe(1)
  })

  test('without a hint nothing happens; a bad edge property or hint fails the event', () => {
    expect(run(loan(), [lent(1, '01-01', { card: null })])).toMatchObject({ created: true, effects: 1 })
    expect(run(loan(), [lent(1, '01-01', { card: 7, deposit: 500 })]).failures).toMatchObject([{ field: 'deposit' }])
    expect(run(loan(), [lent(1, '01-01', { mail: 'bad' })]).failures).toMatchObject([{ field: 'mail' }])
  })

  test('both sides have a table with the properties declared on one', () => {
    expect(world('belongs_to', 'has_many').layout.relationships).toEqual([
      {
        type: 'taken_by',
        sources: ['loan'],
        inverses: ['took'],
        columns: [
          { name: 'deposit', type: 'number' },
          { name: 'kind', type: 'string' },
        ],
      },
      {
        type: 'took',
        sources: ['member'],
        inverses: ['taken_by'],
        columns: [
          { name: 'deposit', type: 'number' },
          { name: 'kind', type: 'string' },
        ],
      },
    ])
  })
})

test('clock: events see their time, or the wall clock if it is configured', () => {
  const parts = {
    properties: { at: { type: 'datetime' } },
    states: { on: { when: { new: { effects: ['create', { set: { property: 'at', compute: 'now()' } }] } } } },
  }
  expect(run(thing(parts), [born]).state.properties['at']).toEqual(time('01-01'))
  const wall = thing(parts, { expressionClock: 'wall' })
  expect(run(wall, [born], { wall: time('2030-01-01') }).state.properties['at']).toEqual(time('2030-01-01'))
})

test('an event does not alter the state it was given', () => {
  const entity = thing({
    properties: { n: { type: 'integer', default: 0 } },
    states: { on: { when: { ...create, e: { effects: [{ increment: { property: 'n' } }] } } } },
  })
  const before = run(entity, [born]).state
  const copy = structuredClone(before.properties)
  run(entity, [event(2, 'e', '01-02')], { from: before })
  expect(before.properties).toEqual(copy)
})
