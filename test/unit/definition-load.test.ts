import { describe, expect, test } from 'vitest'
import { fromNamed, fromObject } from '../../src/core/definition/load.ts'
import { parsePath, pathText } from '../../src/core/definition/path.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { cleanSet, put } from '../support/clean-definitions.ts'

const codes = (value: unknown): string[] => fromObject(value).issues.map((issue) => `${issue.code} ${issue.path}`)

describe('canonical form (spec 01 §1.4, §6)', () => {
  test('absent, null and empty parts are the same', () => {
    const full = fromObject(cleanSet()).definitions
    const set = cleanSet()
    for (const kind of ['schemas', 'pipelines']) put(set, kind, null)
    put(set, 'entities.owner.properties', {})
    put(set, 'entities.owner.always', null)
    put(set, 'entities.owner.states.known.after', [])
    put(set, 'entities.item.states.new.when.made.guard', null)
    put(set, 'entities.item.properties.size.sensitive', null)
    put(set, 'sources.web.event_id', [])
    put(set, 'sources.web.events.made.tags', [])
    const loaded = fromObject(set)
    expect(loaded.issues).toEqual([])
    expect(loaded.definitions).toEqual(full)
  })

  test('match and by are filled in, create becomes a text, single texts lists', () => {
    const { definitions } = fromObject({
      entities: {
        a: {
          starts: 's',
          identity: { k: null, l: {} },
          states: {
            s: {
              when: { e: { effects: [{ create: {} }, { create: null }, 'create', { increment: { property: 'n' } }] } },
            },
            t: null,
          },
        },
      },
      sources: {
        w: {
          event_type: 't',
          timestamp: 'at',
          event_id: 'k',
          events: { e: { hints: { a: 'k' }, mappings: { k: null } } },
        },
      },
    })
    expect(definitions.entities.a).toEqual({
      starts: 's',
      identity: { k: { match: 'exact' }, l: { match: 'exact' } },
      states: {
        s: { when: { e: { effects: ['create', 'create', 'create', { increment: { property: 'n', by: 1 } }] } } },
        t: {},
      },
    })
    expect(definitions.sources.w).toEqual({
      event_type: 't',
      timestamp: 'at',
      event_id: ['k'],
      events: { e: { hints: { a: ['k'] }, mappings: { k: {} } } },
    })
  })

  test('`value: null` stays', () => {
    const set = cleanSet()
    put(set, 'entities.item.states.new.when.made.effects[1].set', { property: 'name', value: null })
    const loaded = fromObject(set)
    expect(validate(loaded).errors).toEqual([])
    expect(loaded.definitions.entities.item?.states.new?.when?.made?.effects[1]).toEqual({
      set: { property: 'name', value: null },
    })
  })

  test('descriptions and x- keys are accepted silently and left out', () => {
    const set = cleanSet()
    put(set, 'x-notes', [1])
    put(set, 'entities.x-template', 'anything')
    put(set, 'entities.item.description', 'about items')
    put(set, 'entities.item.states.on.description', 'about')
    put(set, 'entities.item.states.description', 'about all states')
    put(set, 'entities.item.states.new.when.made.effects[1].description', 'names it')
    put(set, 'entities.item.properties.x-more', {})
    put(set, 'sources.web.events.made.mappings.name.x-from', 'crm')
    const loaded = fromObject(set)
    expect(validate(loaded).issues).toEqual([])
    expect(loaded.definitions).toEqual(fromObject(cleanSet()).definitions)
  })

  test('names that look like notes are names where any text may be one', () => {
    const set = cleanSet()
    put(set, 'entities.item.properties.description', { type: 'string' })
    put(set, 'sources.web.events.made.mappings.x-request-id', { from: 'headers.x-request-id' })
    const { definitions } = fromObject(set)
    expect(definitions.entities.item?.properties).toHaveProperty('description', { type: 'string' })
    expect(definitions.sources.web?.events.made?.mappings).toHaveProperty('x-request-id')
  })

  test('what was given is not changed', () => {
    const set = cleanSet()
    const before = structuredClone(set)
    validate(fromObject(set))
    expect(set).toEqual(before)
  })
})

describe('wrong kinds', () => {
  test.each([null, undefined, 5, 'text', [], true, () => 1, new Map(), new Date()])('%s as a whole set', (value) => {
    expect(codes(value)).toEqual(['E01 '])
  })
  test('all of them are reported in one run', () => {
    expect(codes({ entities: { a: 1, b: { starts: [], identity: 1, states: { s: 2 } } }, sources: 'x' })).toEqual([
      'E01 entities.a',
      'E01 entities.b.starts',
      'E01 entities.b.identity',
      'E01 entities.b.states.s',
      'E01 sources',
    ])
  })
  test('paths count items as they were given, whatever had to be left out', () => {
    const set = cleanSet()
    put(set, 'entities.item.states.new.when.made.effects', ['create', 5, { transition: { to: 'onn' } }])
    const issues = validate(fromObject(set)).issues.filter((issue) => issue.severity === 'error')
    expect(issues.map((issue) => `${issue.code} ${issue.path}`)).toEqual([
      'E01 entities.item.states.new.when.made.effects[1]',
      'E16 entities.item.states.new.when.made.effects[2].transition.to',
    ])
  })
  test('deep, cyclic or foreign data inside a pipeline', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.again = cyclic
    let deep: unknown = 1
    for (let i = 0; i < 10_000; i++) deep = [deep]
    const steps = ['build']
    expect(codes({ pipelines: { a: { steps, checks: cyclic } } })).toEqual(['E01 pipelines.a.checks'])
    expect(codes({ pipelines: { a: { steps: [deep] } } })).toEqual(['E01 pipelines.a.steps'])
    expect(codes({ pipelines: { a: { steps, tags: { at: new Date() } } } })).toEqual(['E01 pipelines.a.tags'])
    expect(codes({ pipelines: { a: { steps, tags: JSON.parse('{"__proto__": {"x": 1}}') } } })).toEqual([
      'E04 pipelines.a.tags',
    ])
    expect(({} as { x?: number }).x).toBeUndefined()
  })
  test('`__proto__` as a name, in every kind of map', () => {
    const proto = (body: string): unknown => JSON.parse(`{"__proto__": ${body}}`)
    const found = codes({
      entities: {
        a: {
          starts: 's',
          identity: proto('{}'),
          properties: proto('{"type":"string"}'),
          states: proto('{}'),
          always: proto('{}'),
        },
      },
      sources: { w: { event_type: 't', timestamp: 'a', events: proto('{}') } },
      schemas: { e: { fields: proto('{"type":"string"}') } },
    })
    expect(found).toEqual([
      'E04 entities.a.identity.__proto__',
      'E04 entities.a.properties.__proto__',
      'E04 entities.a.states.__proto__',
      'E04 entities.a.always.__proto__',
      'E04 sources.w.events.__proto__',
      'E04 schemas.e.fields.__proto__',
    ])
  })
  test('pipelines are carried along as written', () => {
    const nightly = {
      steps: ['ingest', { tick: null }],
      tags: { b: '1', a: '2' },
      description: 'x',
      retry: { attempts: 0 },
    }
    const loaded = fromObject({ pipelines: { nightly } })
    expect(loaded.issues).toEqual([])
    expect(loaded.definitions.pipelines).toEqual({ nightly })
  })
})

describe('validate', () => {
  test('strict makes unknown keys errors', () => {
    const loaded = fromObject({ ...cleanSet(), entitys: {} })
    expect(validate(loaded)).toMatchObject({ valid: true, errors: [] })
    const strict = validate(loaded, { strict: true })
    expect(strict).toMatchObject({ valid: false, warnings: [] })
    expect(strict.errors[0]).toMatch(/^W09 entitys: .*unknown key 'entitys'.*did you mean 'entities'/)
  })
  test('the clock is a warning only with the wall clock', () => {
    const set = cleanSet()
    put(set, 'entities.item.states.new.when.made.guard', 'now() > event.timestamp')
    expect(validate(fromObject(set)).warnings).toEqual([])
    expect(validate(fromObject(set), { expressionClock: 'wall' }).warnings).toHaveLength(1)
  })
  test('messages quote the entity, the state, the handler and the text', () => {
    const set = cleanSet()
    put(set, 'entities.item.states.on.when.resized.guard', 'event.size >')
    expect(validate(fromObject(set)).errors[0]).toMatch(
      /^E05 entities\.item\.states\.on\.when\.resized\.guard: entity 'item' state 'on' handler 'resized' guard: invalid expression "event\.size >": column 13/,
    )
  })
})

describe('single definitions', () => {
  test.each([[{}], [{ a: {}, b: {} }], [5]])('%j is not a one-key map', (value) => {
    const loaded = fromNamed('entities', value)
    expect(loaded.issues).toMatchObject([{ code: 'E01', path: 'entities' }])
    expect(loaded.issues[0]?.message).toContain('expected a map with exactly one entity name')
  })
  test('references to other definitions are not judged', () => {
    const { entities } = cleanSet() as { entities: { item: unknown } }
    expect(validate(fromNamed('entities', { item: entities.item })).issues).toEqual([])
  })
})

test('paths survive being written and read', () => {
  for (const path of [
    ['a', 'b', 3, 'c'],
    ['a.b', 'c d', ''],
    ['x"y', 0, '[1]', '\u0007', '状態'],
  ]) {
    expect(parsePath(pathText(path))).toEqual(path)
  }
  expect(parsePath('a..b')).toBeNull()
})
