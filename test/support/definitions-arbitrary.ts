/**
 * Random valid definition sets as users write them: one or two entities and sources, up to four states, time rules,
 * guards, computed properties, and now and then relationships, schemas, pipelines, names beyond ASCII, nulls and empty
 * parts where they are allowed. For a generator with records to run through, see `world-arbitrary.ts`.
 */
import fc from 'fast-check'
import type { PropertyType } from '../../src/core/definition/model.ts'

export interface GeneratedSet {
  entities: Record<string, unknown>
  sources: Record<string, unknown>
  schemas?: Record<string, unknown> | null
  pipelines?: Record<string, unknown> | null
}

/** Mapped fields and the type each has wherever it is given one. `key` and `code` are identity fields. */
const FIELDS: Readonly<Record<string, PropertyType>> = {
  key: 'string',
  code: 'string',
  amount: 'number',
  count: 'integer',
  flag: 'boolean',
  seen: 'datetime',
}
const IDENTITY = ['key', 'code'] as const
const PROPERTIES: Readonly<Record<string, PropertyType>> = {
  title: 'string',
  balance: 'number',
  visits: 'integer',
  active: 'boolean',
  since: 'datetime',
}
const STATE_NAMES = ['idle', 'in use', 'gelöscht', '404', 'a.b', 'done', 'constructor', '状態']
const EVENT_NAMES = ['created', 'moved', 'shop.paid', 'ev-3', 'closed', 'toString', 'größer']

const LITERALS: Readonly<Record<PropertyType, fc.Arbitrary<string | number | boolean>>> = {
  string: fc.oneof(fc.constantFrom('', 'yes', '1.0', 'null', '~', 'ä"\\ \n', '#no', ' x'), fc.string()),
  number: fc.oneof(
    fc.integer({ min: -1000, max: 1000 }),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }).map((n) => n + 0),
  ),
  integer: fc.maxSafeInteger(),
  boolean: fc.boolean(),
  datetime: fc.constantFrom('2024-01-15T10:00:00Z', '2024-01-15', '20240115T100000Z', '2024-02-29 23:59:60+02:00'),
}
const COMPUTES: Readonly<Record<PropertyType, readonly string[]>> = {
  string: ["coalesce(event.code, 'none')", 'entity.title', 'if entity.active then "on" else entity.state'],
  number: ['entity.balance * 2 + 1', 'coalesce(event.amount, 0) / 3'],
  integer: ['len(event.code)', 'coalesce(entity.visits, 0) + 1'],
  boolean: ['event.flag or entity.balance > 10', "regex_match(event.code, '^a')"],
  datetime: ['event.timestamp + 7d', 'entity.since'],
}
const CONDITIONS = ['entity.balance > 1', 'event.amount != entity.balance', 'not (entity.active or false)', 'true']

/** Leaving out, null and empty are the same for optional parts (spec 01 §1.4). */
function optional<T>(arbitrary: fc.Arbitrary<T>, ...empty: unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 2, arbitrary: arbitrary as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: fc.constantFrom(undefined, null, ...empty) },
  )
}

/** Takes out what is undefined, as JSON and YAML have no such thing. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T
}

const notes = fc.option(fc.constantFrom({ description: 'about this' }, { 'x-owner': { team: ['a', 1] } }), {
  nil: {},
  freq: 8,
})

/** With the values of the map where they belong, in random key order. */
function named<T>(names: readonly string[], body: (name: string) => fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> {
  return fc
    .tuple(fc.shuffledSubarray([...names], { minLength: names.length }), fc.tuple(...names.map(body)))
    .map(([order, bodies]) => Object.fromEntries(order.map((name) => [name, bodies[names.indexOf(name)]!])))
}

// ── entities ─────────────────────────────────────────────────────────────────────────────────────────────────────

const property = (type: PropertyType): fc.Arbitrary<unknown> =>
  fc
    .record({
      type: fc.constant(type),
      value: optional(LITERALS[type]),
      closed: fc.boolean(),
      sensitive: optional(fc.constantFrom('pii', 'phi', 'pci')),
      treatment: optional(fc.constantFrom('hash', 'mask', 'redact')),
      notes,
    })
    .map(({ value, closed, sensitive, treatment, notes: extra, ...rest }) => {
      const bounds = typeof value === 'number' && closed ? { min: value - 1, max: value + 1 } : {}
      const allowed = value !== undefined && value !== null && closed ? { allowed: [value] } : {}
      const marks = sensitive ? { sensitive, treatment } : {}
      return defined({ ...rest, default: value, ...bounds, ...allowed, ...marks, ...extra })
    })

const condition = optional(fc.constantFrom(...CONDITIONS))

const create = fc.constantFrom<unknown[]>('create', { create: null }, { create: {} })

function effects(states: readonly string[], inRule: boolean): fc.Arbitrary<unknown> {
  const target = fc.constantFrom(...Object.keys(PROPERTIES))
  const sets = target.chain((name) => {
    const type = PROPERTIES[name]!
    const computes = COMPUTES[type].filter((text) => !inRule || !text.includes('event.'))
    const source = fc.oneof(
      fc.record({ value: fc.option(LITERALS[type], { nil: null }) }),
      fc
        .constantFrom(...(inRule ? ['entity.title'] : ['event.code', 'event.a.0.b', 'entity.title']))
        .map((from) => ({ from })),
      fc.constantFrom(...(computes.length > 0 ? computes : ['entity.title'])).map((compute) => ({ compute })),
    )
    return fc.tuple(source, condition).map(([from, c]) => ({ set: defined({ property: name, ...from, condition: c }) }))
  })
  const increments = fc
    .record({
      property: fc.constantFrom('balance', 'visits'),
      by: optional(fc.integer({ min: -9, max: 9 })),
      condition,
    })
    .map((body) => ({ increment: defined(body) }))
  const transitions = fc
    .record({ to: fc.constantFrom(...states), condition })
    .map((body) => ({ transition: defined(body) }))
  return fc.array(fc.oneof(sets, increments, transitions), { minLength: 1, maxLength: 3 })
}

const timeRule = (states: readonly string[]): fc.Arbitrary<unknown> =>
  fc.record({
    type: fc.constantFrom('inactivity', 'expiration', 'state_duration'),
    threshold: fc.tuple(fc.integer({ min: 1, max: 400 }), fc.constantFrom('d', 'h', 'm', 's ')).map((t) => t.join('')),
    effects: effects(states, true),
  })

const handler = (states: readonly string[]): fc.Arbitrary<object> =>
  fc
    .record({ guard: condition, effects: effects(states, false), notes })
    .map(({ notes: extra, ...body }) => defined({ ...body, ...extra }))

const computed = fc.constantFrom(
  {},
  { double: { type: 'number', compute: 'entity.balance * 2' } },
  {
    band: { type: 'string', compute: "if entity.double > 9 then 'high' else 'low'" },
    double: { type: 'number', compute: 'entity.balance * 2', min: -1e12 },
  },
)

const identityField = fc.oneof(
  fc.constantFrom(null, {}),
  fc.record(
    {
      match: fc.constantFrom('exact', 'case_insensitive', null),
      normalize: fc.constantFrom('str::trim(value)', "replace(value, '-', '')"),
    },
    { requiredKeys: [] },
  ),
)

/** The start state creates the entity on `events[0]` and leads to every other state, so that all are reachable. */
function entity(events: readonly string[], relationship: object | null, relate: object | null): fc.Arbitrary<object> {
  return fc.shuffledSubarray(STATE_NAMES, { minLength: 1, maxLength: 4 }).chain((states) => {
    const [starts = ''] = states
    const birth = fc.tuple(create, effects(states, false)).map(([first, more]) => ({
      effects: [
        first,
        ...(more as unknown[]),
        ...(relate ? [{ relate }] : []),
        ...states.slice(1).map((to) => ({ transition: { to } })),
      ],
    }))
    const others = (own: readonly string[]): fc.Arbitrary<Record<string, unknown>> => named(own, () => handler(states))
    const state = (name: string): fc.Arbitrary<unknown> => {
      const rules = optional(fc.array(timeRule(states), { minLength: 1, maxLength: 2 }), [])
      if (name === starts) {
        return fc.tuple(birth, rules).map(([made, after]) => defined({ when: { [events[0]!]: made }, after }))
      }
      const full = fc
        .tuple(fc.subarray([...events], { minLength: 1 }).chain(others), rules)
        .map(([when, after]) => defined({ when, after }))
      return fc.oneof(
        { weight: 3, arbitrary: full as fc.Arbitrary<unknown> },
        { weight: 1, arbitrary: fc.constantFrom(null, {}) },
      )
    }
    return fc
      .record({
        starts: fc.constant(starts),
        identity: named(IDENTITY, () => identityField),
        properties: fc
          .tuple(
            named(Object.keys(PROPERTIES), (name) => property(PROPERTIES[name]!)),
            computed,
          )
          .map(([plain, more]) => ({ ...plain, ...more })),
        states: named(states, state),
        relationships: relationship ? fc.constant([relationship]) : fc.constantFrom(undefined, null, []),
        always: optional(others([events[1] ?? events[0]!]), {}),
        notes,
      })
      .map(({ notes: extra, ...body }) => defined({ ...body, ...extra }))
  })
}

// ── sources and schemas ──────────────────────────────────────────────────────────────────────────────────────────

const mapping = (field: string): fc.Arbitrary<unknown> => {
  const typed = fc.constantFrom(undefined, null, FIELDS[field]!)
  const value = optional(LITERALS[FIELDS[field]!])
  return fc.oneof(
    fc.record({ from: fc.constantFrom('a.b', 'items.0.sku', field), type: typed, default: value }).map(defined),
    fc.record({ compute: fc.constantFrom('event.a', "coalesce(event.b.c, event['d e'])"), type: typed }).map(defined),
    fc.constant({ default: null }),
    fc.constantFrom(null, {}),
  )
}

function sourceEvent(event: string, types: readonly string[]): fc.Arbitrary<object> {
  const rest = Object.keys(FIELDS).filter((field) => !(IDENTITY as readonly string[]).includes(field))
  return fc.subarray(rest).chain((more) =>
    fc
      .record({
        raw_type: fc.constantFrom(undefined, null, `raw ${event}`),
        mappings: named([...IDENTITY, ...more], mapping),
        hints: named(types, () => fc.constantFrom<unknown[]>('key', ['code'], ['code', 'key'])),
        event_id: fc.constantFrom<unknown[]>(undefined, null, [], 'key', ['key', 'stamp', 'nested.id']),
        tags: fc.constantFrom<unknown[]>(undefined, [], ['item:{key}', 'all']),
        notes,
      })
      .map(({ notes: extra, ...body }) => defined({ ...body, ...extra })),
  )
}

const source = (events: readonly string[], types: readonly string[]): fc.Arbitrary<object> =>
  fc
    .record({
      event_type: fc.constantFrom('kind', 'meta.type'),
      timestamp: fc.constantFrom('stamp', 'meta.at'),
      event_id: fc.constantFrom<unknown[]>(undefined, null, 'key', ['key', 'stamp']),
      events: named(events, (event) => sourceEvent(event, types)),
    })
    .map(defined)

const schemaField = (field: string): fc.Arbitrary<unknown> =>
  fc
    .record({
      type: fc.constant(FIELDS[field]!),
      required: (IDENTITY as readonly string[]).includes(field) ? optional(fc.boolean()) : fc.constant(undefined),
      more: fc.constantFrom(
        {},
        FIELDS[field] === 'string' ? { min_length: 1, regex: '^\\p{L}+' } : {},
        FIELDS[field] === 'number' || FIELDS[field] === 'integer' ? { min: -5, max: 5 } : {},
      ),
    })
    .map(({ more, ...body }) => defined({ ...body, ...more }))

const pipelines = fc.constantFrom(
  undefined,
  null,
  {},
  {
    nightly: {
      steps: ['ingest', { build: { retry: { attempts: 0 } } }],
      schedule: { cron: '0 2 * * *' },
      timeout: '4h',
    },
  },
)

/** Valid sets in object form. */
export const definitionSets: fc.Arbitrary<GeneratedSet> = fc
  .record({
    types: fc.constantFrom(['item'], ['item', 'Owner_2'], ['order', 'group']),
    events: fc.shuffledSubarray(EVENT_NAMES, { minLength: 2, maxLength: 3 }),
    related: fc.boolean(),
    names: fc.constantFrom(['web'], ['web', 'shop: till'], ['0']),
    contract: fc.boolean(),
  })
  .chain(({ types, events, related, names, contract }) => {
    const [a = '', b] = types
    const edge = { properties: { weight: { type: 'number', default: 1, min: 0 } } }
    const pair = related && b !== undefined
    const sideOf = (type: string): [object | null, object | null] => {
      if (!pair) return [null, null]
      if (type === a) return [{ type: 'owns', target: b, cardinality: 'has_many', ...edge }, null]
      return [
        { type: 'owned_by', target: a, cardinality: 'belongs_to', inverse: 'owns' },
        { type: 'owned_by', target: a, hints: { [a]: 'key' }, properties: { weight: { from: 'event.amount' } } },
      ]
    }
    return fc.record({
      entities: named(types, (type) => entity(events, ...sideOf(type))),
      sources: named(names, () => source(events, types)),
      schemas: contract
        ? named(events, () => named(Object.keys(FIELDS), schemaField).map((fields) => ({ fields })))
        : fc.constantFrom(undefined, null, {}),
      pipelines,
    })
  })
  .map((set) => defined(set) as GeneratedSet)
