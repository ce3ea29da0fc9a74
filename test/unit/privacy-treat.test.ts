import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/expression/json.ts'
import { relateGroups } from '../../src/core/identity.ts'
import { emptyState, fold } from '../../src/core/interpret.ts'
import { decodeEvent, rehint } from '../../src/core/normalize.ts'
import { erasurePlan, redactionPlan, relatePlan, type Treatment } from '../../src/core/privacy/plan.ts'
import { readNote, type TreatableRow, treatEvent, treated, treatRow } from '../../src/core/privacy/treat.ts'
import { compileProgram } from '../../src/core/program.ts'
import { normalized } from '../support/core-world.ts'
import { digests, joined, otherDigests, rowOf, shop } from '../support/private-world.ts'

const program = compileProgram(shop())
const redaction = redactionPlan([shop()], 'customer')
const erasure = erasurePlan([shop()], 'customer')
const relation = relatePlan([shop()], 'customer')
const event = (record: Record<string, unknown>) => normalized(program, record, 'web')
const row = (record: Record<string, unknown>) => rowOf(event(record))
const json = (text: string) => JSON.parse(text) as Record<string, unknown>

describe('treatments', () => {
  test.each<[unknown, Treatment, unknown]>([
    ['Ann', 'redact', '[REDACTED]'],
    ['', 'redact', '[REDACTED]'],
    [42, 'redact', null],
    [true, 'hash', null],
    [{ a: 'b' }, 'mask', null],
    [['a'], 'redact', null],
    ['12345678', 'mask', '********'],
    ['123456789', 'mask', '*****6789'],
    ['ÄÖÜ🙂🙂🙂🙂🙂🙂', 'mask', '*****🙂🙂🙂🙂'],
    ['Ann', 'remove', undefined],
  ])('%j, %s: %j', (value, treatment, expected) => {
    expect(treated(value, treatment, digests)).toBe(expected)
  })

  test('equal texts give equal digests, under one key', () => {
    expect(treated('Ann', 'hash', digests)).toBe(treated('Ann', 'hash', digests))
    expect(treated('Ann', 'hash', digests)).not.toBe(treated('ann', 'hash', digests))
    expect(treated('Ann', 'hash', digests)).not.toBe(treated('Ann', 'hash', otherDigests))
    expect(treated('Ann', 'hash', digests)).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('a redacted row', () => {
  const change = treatRow(row(joined()), redaction, digests)
  const token = digests.token('ann@example.org')

  test('has treated values in data and raw, and tokens for hints of every type', () => {
    expect(json(change?.row.data ?? '')).toEqual({
      email: '************.org',
      phone: '0300 123',
      first: '[REDACTED]',
      person: { last: '[REDACTED]', title: 'Dr' },
      birthday: null,
      tier: '[REDACTED]',
      shoe: 38,
    })
    expect(json(change?.row.raw ?? '')).toEqual({
      ...joined(),
      contact: {
        mail: '************.org',
        phone: '0300 123',
        first: '[REDACTED]',
        person: { last: '[REDACTED]', title: 'Dr' },
      },
      born: digests.token('1990-02-03T00:00:00Z'),
      tier: '[REDACTED]',
    })
    const account = digests.token(' Ann@Example.org')
    expect(json(change?.row.hints ?? '')).toEqual({
      customer: { email: token, phone: '0300 123' },
      account: { email: account },
    })
    expect(change?.tokens.map(({ entityType, value }) => [entityType, value])).toEqual([
      ['customer', 'ann@example.org'],
      ['account', ' Ann@Example.org'],
    ])
    expect(change?.fields).toBe(10)
  })

  test('says so in its note', () => {
    expect(readNote(change?.row.redaction ?? null)).toMatchObject({
      v: 1,
      data: ['birthday', 'email', 'first', 'person.last', 'tier'],
      raw: ['born', 'contact.first', 'contact.mail', 'contact.person.last', 'tier'],
      hints: { customer: { email: token } },
    })
    expect(readNote(null)).toBe(null)
    expect(() => readNote('{"v":2}')).toThrow('version')
  })

  test('gives back its hints from tokens, never from what is left of the text', () => {
    const again = rehint(program, decodeEvent(program, { ...row(joined()), ...change?.row }))
    expect(again).toMatchObject({ hints: json(change?.row.hints ?? '') })
  })

  test('is interpreted without failures', () => {
    const decoded = decodeEvent(program, { ...row(joined()), ...change?.row })
    const entity = program.entities.get('customer')
    if (entity === undefined) throw new Error('no customer')
    const { state, failures } = fold(entity, emptyState('customer', 'c'), [decoded], {
      targets: () => undefined,
      advanceTo: null,
    })
    expect(failures).toEqual([])
    expect(state.properties).toMatchObject({ name: '[REDACTED] [REDACTED]', born: null, tier: '[REDACTED]' })
  })

  test('that is erased later loses its tokens, but for those of others', () => {
    const erased = treatRow({ ...row(joined()), ...change?.row }, erasure, digests)
    expect(json(erased?.row.data ?? '')).toEqual({ person: { title: 'Dr' }, shoe: 38 })
    expect(json(erased?.row.hints ?? '')).toEqual({ account: { email: digests.token(' Ann@Example.org') } })
    expect(`${JSON.stringify(erased?.row)}`).not.toContain(token)
    expect(readNote(erased?.row.redaction ?? null)?.removed).toEqual(['customer'])
  })
})

test('relations of a redacted row lead to its token', () => {
  const bought = row({ type: 'bought', no: '7', buyer: 'ANN@example.org', tel: null, total: 5 })
  const change = treatRow(bought, relatePlan([shop()], 'customer', 'redact'), digests)
  const decoded = decodeEvent(program, { ...bought, ...change?.row })
  expect(relateGroups(program, decoded, { order: { no: '7' } })).toEqual([
    { entityType: 'customer', hints: { email: digests.token('ann@example.org') } },
  ])
  const order = program.entities.get('order')
  if (order === undefined) throw new Error('no order')
  const { state } = fold(order, emptyState('order', 'o'), [decoded], {
    targets: (type, hints) => `${type}:${hints['email']}`,
    advanceTo: null,
  })
  expect(state.edges.map((edge) => edge.targetId)).toEqual([`customer:${digests.token('ann@example.org')}`])
})

test('relations forget the person they are asked about and nobody else', () => {
  const bought = row({ type: 'bought', no: '7', buyer: 'ANN@example.org', tel: '9', total: 5 })
  const ann = new Set([digests.token('ann@example.org')])
  const change = treatRow(bought, relation, digests, { known: ann })
  expect(json(change?.row.data ?? '')).toEqual({ no: '7', total: 5 })
  expect(json(change?.row.raw ?? '')).toMatchObject({ no: '7', total: 5 })
  expect(change?.row.raw).not.toContain('ANN')
  expect(treatRow(bought, relation, digests, { known: new Set([digests.token('bob')]) })).toBe(null)
})

test('only what exists is changed: an event without the values stays as it is', () => {
  expect(treatRow(row({ type: 'moved', phone: '1' }), redaction, digests)).toBe(null)
  expect(treatRow(row({ type: 'bought', no: '1', total: 1 }), redaction, digests)).toBe(null)
})

test('lists along a path are treated element by element, keys with dots and large numbers survive', () => {
  const definitions = shop(({ sources }) => {
    const { joined: one } = sources['web']?.events ?? {}
    Object.assign(one?.['mappings'] as object, { first: { from: 'contact.names.first' }, tier: { from: 'a.b' } })
  })
  const raw =
    '{"type":"joined","at":1704067200,"big":9007199254740993,"a.b":"x","a":{"b":"y"},"contact":{"mail":"m","names":[{"first":"A","n":1},{"first":2},{}]}}'
  const change = treatRow({ ...row(joined()), raw }, redactionPlan([definitions], 'customer'), digests)
  expect(change?.row.raw).toBe(
    '{"type":"joined","at":1704067200,"big":9007199254740993,"a.b":"[REDACTED]","a":{"b":"[REDACTED]"},"contact":{"mail":"*","names":[{"first":"[REDACTED]","n":1},{"first":null},{}]}}',
  )
})

test('an event is treated on arrival as its row would be', () => {
  const arriving = event(joined())
  const stored = treatEvent(arriving, redaction, digests)
  const change = treatRow(rowOf(arriving), redaction, digests)
  const { eventId: _, ...columns } = rowOf(stored)
  expect(columns).toEqual({ ...rowOf(arriving), ...change?.row, eventId: undefined })
  expect(stored.hints).toEqual(json(stored.hintsJson))
  expect(stored.data).toMatchObject({ email: '************.org', birthday: null, person: { last: '[REDACTED]' } })
  expect(stored.data['shoe']).toEqual(arriving.data['shoe'])
  const other = event({ type: 'moved', phone: '1' })
  expect(treatEvent(other, redaction, digests)).toBe(other)
})

// ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('[REDACTED]'))
const value = fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }), fc.dictionary(fc.string(), leaf, { maxKeys: 3 }))
const record = fc.record(
  {
    contact: fc.record(
      { mail: value, phone: leaf, first: value, person: fc.oneof(value, fc.record({ last: value, title: leaf })) },
      { requiredKeys: [] },
    ),
    born: fc.constantFrom('2001-01-01', null, 978307200),
    tier: value,
    shoe: fc.integer(),
    other: value,
  },
  { requiredKeys: [] },
)
const plans = [redaction, erasure] as const

const rows = record.map((parts): TreatableRow => rowOf(event({ type: 'joined', ...parts })))

/** Paths of all leaves with their values. */
function leaves(of: unknown, path: readonly string[] = []): Map<string, unknown> {
  if (typeof of !== 'object' || of === null) return new Map([[path.join('\u0000'), of]])
  const found = new Map<string, unknown>(Object.keys(of).length === 0 ? [[path.join('\u0000'), '{}']] : [])
  for (const [key, item] of Object.entries(of)) for (const [at, one] of leaves(item, [...path, key])) found.set(at, one)
  return found
}
const keys = (of: unknown): string[] =>
  typeof of !== 'object' || of === null
    ? []
    : Object.entries(of).flatMap(([key, item]) => [key, ...keys(item).map((one) => `${key}\u0000${one}`)])

describe('for any row', () => {
  test('treating again changes nothing, in whatever order and however often', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.constantFrom(...plans), { minLength: 1, maxLength: 3 }), (first, list) => {
        let row = first
        for (const plan of list) row = { ...row, ...treatRow(row, plan, digests)?.row }
        for (const plan of list) expect(treatRow(row, plan, digests)).toBe(null)
      }),
    )
  })

  test('nothing but planned paths changes, and no key appears', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(...plans), (row, plan) => {
        const change = treatRow(row, plan, digests)
        if (change === null) return
        const event = plan.of('web', 'joined')
        for (const [column, planned] of [
          ['data', [...(event?.fields.keys() ?? [])]],
          ['raw', (event?.raw ?? []).map(({ path }) => path)],
        ] as const) {
          const [before, after] = [parseJson(row[column]), parseJson(change.row[column])]
          const known = new Set(keys(before))
          expect(keys(after).filter((key) => !known.has(key))).toEqual([])
          const isPlanned = (path: string): boolean =>
            planned.some((one) => {
              const steps = path.split('\u0000').filter((step) => !/^\d+$/.test(step))
              return one.split('.').every((step, i) => steps[i] === undefined || steps[i] === step)
            })
          for (const [path, was] of leaves(before)) if (!isPlanned(path)) expect(leaves(after).get(path)).toEqual(was)
        }
      }),
    )
  })

  test('no hint of the person stays in its row once it is erased', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const erased = { ...row, ...treatRow(row, erasure, digests)?.row }
        expect(Object.hasOwn(json(erased.hints), 'customer')).toBe(false)
        const again = rehint(
          program,
          decodeEvent(program, { ...erased, eventId: 'e' }),
          undefined,
          readNote(erased.redaction),
        )
        expect('hints' in again && Object.hasOwn(again.hints, 'customer')).toBe(false)
      }),
    )
  })
})
