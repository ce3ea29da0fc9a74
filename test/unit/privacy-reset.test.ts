import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { mergeDirective } from '../../src/core/directive.ts'
import type { Hints } from '../../src/core/event.ts'
import { Grouping } from '../../src/core/grouping.ts'
import { hintKey, type IdentityRow } from '../../src/core/identity.ts'
import { readNote } from '../../src/core/privacy/note.ts'
import { erasurePlan, redactionPlan } from '../../src/core/privacy/plan.ts'
import { normalizeTreated } from '../../src/core/privacy/renormalize.ts'
import { type TreatableRow, treatRow } from '../../src/core/privacy/treat.ts'
import { compileProgram, type Program } from '../../src/core/program.ts'
import { sayingOf } from '../../src/engine/sayings.ts'
import type { FullLedgerRow } from '../../src/ports/store.ts'
import { normalized, time } from '../support/core-world.ts'
import { digests, joined, rowOf, shop } from '../support/private-world.ts'

const WALL = time('2030-01-01')
type Row = TreatableRow & { readonly eventId: string }

/** Normalizes a row again; the fault's message if it does not. */
function again(program: Program, row: Row): Row | string {
  const source = program.sources.get(row.source)
  const note = readNote(row.redaction)
  if (source === undefined || note === null) return 'not treated'
  try {
    const { event } = normalizeTreated(program, source, row, note, WALL)
    return { ...rowOf(event, row.sequence), redaction: row.redaction }
  } catch (error) {
    return (error as Error).message
  }
}

const definitions = shop()
const program = compileProgram(definitions)
const rowFrom = (record: Record<string, unknown>, sequence = 1): Row =>
  rowOf(normalized(program, record, 'web'), sequence)
const treatedBy = (plan: ReturnType<typeof redactionPlan>, row: Row): Row => ({
  ...row,
  ...treatRow(row, plan, digests)?.row,
})
const redaction = redactionPlan([definitions], 'customer')
const erasure = erasurePlan([definitions], 'customer')
const redacted = treatedBy(redaction, rowFrom(joined()))

describe('a treated row that is normalized again', () => {
  test('stays as it is under the same definitions', () => {
    expect(again(program, redacted)).toEqual(redacted)
    const erased = treatedBy(erasure, rowFrom(joined()))
    expect(again(program, erased)).toEqual(erased)
    const both = treatedBy(erasure, redacted)
    expect(again(program, both)).toEqual(both)
  })

  test.each<[string, (set: DefinitionsObject) => void]>([
    ['a type', (set) => mapping(set, 'tier', { from: 'tier', type: 'integer' })],
    ['an expression', (set) => mapping(set, 'tier', { compute: 'to_int(event.tier)' })],
    ['another field over the raw path', (set) => mapping(set, 'tier2', { from: 'tier', type: 'number' })],
    ['an expression over the raw path', (set) => mapping(set, 'year', { compute: 'to_int(event.born) + 1' })],
    ['a schema', (set) => schema(set, { type: 'string', allowed: ['gold'], min_length: 1, regex: '^g' })],
    ['a schema that requires it', (set) => schema(set, { type: 'datetime', required: true }, 'birthday')],
  ])('does not fail because of %s', (_, change) => {
    const changed = structuredClone(definitions) as DefinitionsObject
    change(changed)
    for (const row of [redacted, treatedBy(erasure, rowFrom(joined()))]) {
      const result = again(compileProgram(changed), row)
      expect(result).toMatchObject({ eventId: row.eventId, redaction: row.redaction, hints: row.hints })
      for (const [field, value] of Object.entries(JSON.parse(row.data) as object)) {
        expect((JSON.parse((result as Row).data) as Record<string, unknown>)[field]).toEqual(value)
      }
    }
  })

  test('follows new definitions where nothing was treated, and fails for what treatments have no part in', () => {
    const changed = structuredClone(definitions) as DefinitionsObject
    mapping(changed, 'size', { compute: 'event.shoe + 1' })
    expect(JSON.parse((again(compileProgram(changed), redacted) as Row).data)).toMatchObject({ size: 39 })
    mapping(changed, 'size', { from: 'contact.person.title', type: 'integer' })
    expect(again(compileProgram(changed), redacted)).toContain('integer')
    delete changed.sources['web']?.events['joined']
    expect(again(compileProgram(changed), redacted)).toContain('unknown event type')
  })

  test('a new hint field over a treated raw path is no hint: nobody meets in what a treatment left', () => {
    const changed = structuredClone(definitions) as DefinitionsObject
    mapping(changed, 'number', { from: 'contact.mail' })
    changed.sources['web']?.events['joined']?.hints['customer']?.push('number')
    const result = again(compileProgram(changed), redacted) as Row
    expect(result.hints).toBe(redacted.hints)
    expect(JSON.parse(result.data)).toMatchObject({ number: '************.org' })
  })

  test('type and time that went with their surroundings are those of the row', () => {
    const whole = shop(({ sources, entities }) => {
      Object.assign(sources['web'] as object, { event_type: 'meta.type', timestamp: 'meta.at' })
      const { joined: one } = sources['web']?.events ?? {}
      Object.assign(one?.['mappings'] as object, { first: { from: 'meta' } })
      void entities
    })
    const own = compileProgram(whole)
    const event = normalized(
      own,
      { ...joined(), meta: { type: 'joined', at: '2024-05-05T00:00:00Z', name: 'Ann' } },
      'web',
    )
    const row = treatedBy(redactionPlan([whole], 'customer'), rowOf(event))
    expect(JSON.parse(row.raw)).toMatchObject({ meta: null })
    expect(again(own, row)).toEqual(row)
  })
})

function mapping(set: DefinitionsObject, field: string, body: object): void {
  const mappings = set.sources['web']?.events['joined']?.mappings
  if (mappings !== undefined) mappings[field] = body
}

function schema(set: DefinitionsObject, body: DefinitionsObject['schemas'][string]['fields'][string], field = 'tier') {
  const events = Object.keys(set.sources['web']?.events ?? {})
  set.schemas = Object.fromEntries(events.map((type) => [type, { fields: type === 'joined' ? { [field]: body } : {} }]))
}

// ── identity ─────────────────────────────────────────────────────────────────────────────────────────────────────

const counter = (prefix: string): (() => string) => {
  let last = 0
  return () => `${prefix}${++last}`
}

/** The identity table that a reset gives. */
function reset(own: Program, rows: readonly Row[], old: readonly IdentityRow[], prefix = 'new-') {
  const grouping = new Grouping()
  for (const row of rows) {
    const saying = sayingOf(own, row as Row as unknown as FullLedgerRow, WALL)
    if (saying === null) continue
    if (saying.directive === null) grouping.add(saying.hints, saying.groups, saying.previous)
    else grouping.directive(saying.directive)
  }
  const { rows: table, retired } = grouping.components(old, counter(prefix))
  return { table: [...table()], retired }
}

const customersOf = (table: readonly IdentityRow[]): Map<string, string> =>
  new Map(
    table
      .filter(({ entityType }) => entityType === 'customer')
      .map((row) => [hintKey('customer', row.hintType, row.value), row.entityId]),
  )

/** The customer of a row, by the hints it has now. */
function owner(row: Row, table: readonly IdentityRow[]): string | undefined {
  const hints = (JSON.parse(row.hints) as Hints)['customer'] ?? {}
  const known = customersOf(table)
  const ids = Object.entries(hints).map(([field, value]) => known.get(hintKey('customer', field, value)))
  expect(new Set(ids).size).toBeLessThanOrEqual(1)
  return ids[0]
}

const mail = (name: string): string => `${name}@example.org`
const people = ['ann', 'bob', 'cat', 'dan']
const record = fc.record({ who: fc.constantFrom(...people), phone: fc.boolean() })
const lowered = shop(({ entities }) => {
  const identity = entities['customer']?.['identity'] as Record<string, unknown>
  identity['phone'] = { normalize: "replace(value, ' ', '')" }
})

function world(records: readonly { who: string; phone: boolean }[], hidden: readonly string[]) {
  const plain = records.map(({ who, phone }, index) =>
    rowFrom(joined({ contact: { mail: mail(who), ...(phone ? { phone: `0 ${who}` } : {}) } }), index + 1),
  )
  const before = reset(program, plain, [], 'id-')
  const rows = plain.map((row, index) => (hidden.includes(records[index]?.who ?? '') ? treatedBy(redaction, row) : row))
  // Identity rows of redacted hints are tokens.
  const tokens = new Map(hidden.map((who) => [mail(who), digests.token(mail(who))]))
  const old = before.table.map((row) => ({ ...row, value: tokens.get(row.value) ?? row.value }))
  return { plain, rows, old, before: before.table }
}

describe('who is who after a reset', () => {
  const cases = fc.tuple(fc.array(record, { minLength: 1, maxLength: 12 }), fc.subarray(people))

  test('redacted people stay apart and keep their ids, whatever is worked out again', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(program, compileProgram(lowered)), ([records, hidden], own) => {
        const { plain, rows, old, before } = world(records, hidden)
        const renormalized = rows.map((row) => {
          if (row.redaction === null) return row
          const result = again(own, row)
          expect(typeof result).toBe('object')
          // As a renormalization stores it: hints follow when identities have.
          return { ...(result as Row), hints: row.hints }
        })
        for (const after of [rows, renormalized]) {
          const { table } = reset(own, after, old)
          for (const [index, row] of after.entries()) {
            const hints = sayingOf(own, row as unknown as FullLedgerRow, WALL)?.hints
            const now = { ...row, hints: JSON.stringify(hints) }
            expect(owner(now, table)).toBe(owner(plain[index] as Row, before))
          }
        }
      }),
    )
  })

  test('merges by hand survive, and go on under the id they led to', () => {
    fc.assert(
      fc.property(cases, fc.nat(), fc.nat(), fc.boolean(), ([records, hidden], a, b, isTold) => {
        const { plain, rows, old, before } = world(records, hidden)
        const ids = [...new Set(plain.map((row) => owner(row, before) as string))]
        const [from, into] = [ids[a % ids.length] as string, ids[b % ids.length] as string]
        fc.pre(from !== into)
        const hintsOf = (id: string) => old.filter((row) => row.entityId === id && row.entityType === 'customer')
        const event = mergeDirective({
          eventId: 'm',
          timestamp: WALL,
          from,
          into,
          reason: '',
          fromHints: hintsOf(from),
          intoHints: hintsOf(into),
        })
        const directive = rowOf(event, rows.length + 1)
        // With and without what the merge itself wrote into the identity table.
        const table = isTold ? old.map((row) => (row.entityId === from ? { ...row, entityId: into } : row)) : old
        const after = reset(program, [directive, ...rows], table)
        for (const [index, row] of rows.entries()) {
          const was = owner(plain[index] as Row, before)
          expect(owner(row, after.table)).toBe(was === from ? into : was)
        }
        const retired = isTold ? [] : [{ entityType: 'customer', from, into }]
        expect(after.retired).toEqual(retired)
      }),
    )
  })

  test('a merge finds its sides by what new rules make of their hints', () => {
    const rows = [joined({ contact: { mail: 'a', phone: '1 1' } }), joined({ contact: { mail: 'b', phone: '2 2' } })]
      .map((one, index) => rowFrom(one, index + 1))
      .map((row) => ({ ...row, hints: row.hints.replace(/"phone":"(\d) \d"/, '"phone":"$1$1"') }))
    const only = shop(({ entities, sources }) => {
      const identity = entities['customer']?.['identity'] as Record<string, unknown>
      identity['phone'] = { normalize: "replace(value, ' ', '')" }
      const { joined: one } = sources['web']?.events ?? {}
      Object.assign(one?.['hints'] as object, { customer: ['phone'] })
    })
    const side = (value: string) => [{ entityType: 'customer', hintType: 'phone', value }]
    const event = mergeDirective({
      eventId: 'm',
      timestamp: WALL,
      from: 'x',
      into: 'y',
      reason: '',
      fromHints: side('1 1'),
      intoHints: side('2 2'),
    })
    const { table } = reset(compileProgram(only), [...rows, rowOf(event, 3)], [])
    expect(new Set(customersOf(table).values()).size).toBe(1)
  })

  test('a merge whose sides are both gone, or one already, changes nothing', () => {
    const rows = [joined({ contact: { mail: 'a' } })].map((one) => rowFrom(one))
    const side = (value: string) => [{ entityType: 'customer', hintType: 'email', value }]
    for (const [from, into] of [
      ['a', 'gone'],
      ['gone', 'a'],
      ['a', 'a'],
    ] as const) {
      const event = mergeDirective({
        eventId: 'm',
        timestamp: WALL,
        from: 'x',
        into: 'y',
        reason: '',
        fromHints: side(from),
        intoHints: side(into),
      })
      const old = [{ entityType: 'customer', hintType: 'email', value: 'a', entityId: 'id-1' }]
      const { table, retired } = reset(program, [...rows, rowOf(event, 2)], old)
      expect([...customersOf(table).values()]).toEqual(['id-1'])
      expect(retired).toEqual([])
    }
  })

  test('stored ids stand in where hints are gone', () => {
    const rows = [joined({ contact: { mail: 'a' } }), joined({ contact: { mail: 'b' } })].map((one, i) =>
      rowFrom(one, i),
    )
    const gone = [{ entityType: 'customer', hintType: 'email', value: 'gone' }]
    const told = { timestamp: WALL, from: 'id-1', into: 'id-2', reason: '', fromHints: gone, intoHints: gone }
    const old = ['a', 'b'].map((value, i) => ({
      entityType: 'customer',
      hintType: 'email',
      value,
      entityId: `id-${i + 1}`,
    }))
    const { table } = reset(program, [...rows, rowOf(mergeDirective({ eventId: 'm', ...told }), 3)], old)
    expect(new Set(customersOf(table).values())).toEqual(new Set(['id-2']))
  })
})
