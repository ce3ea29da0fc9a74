/**
 * Random definitions, events and redactions against the same without redactions (spec 05 §5.3): who is one person stays the
 * same, nobody else changes, and nothing of what was redacted is anywhere, whatever is built anew afterwards.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import '../support/seed.ts'
import type { Defacto } from '../../src/index.ts'
import { type Place, SQLITE, START } from '../support/redaction.ts'

type Treatment = 'redact' | 'hash' | 'mask' | null
interface Rules {
  readonly email: Treatment
  readonly phone: Treatment
  readonly name: Treatment
  readonly exact: boolean
  readonly guarded: boolean
}
interface Event {
  readonly kind: 'joined' | 'used' | 'sold'
  readonly email: number | null
  readonly phone: number | null
  readonly badge: number | null
}
interface World {
  readonly rules: Rules
  readonly before: readonly Event[]
  readonly redacted: readonly number[]
  readonly after: readonly Event[]
  readonly batch: number
}

const treatment = fc.constantFrom<Treatment>('redact', 'hash', 'mask', null)
const pick = fc.option(fc.nat(5), { nil: null, freq: 2 })
const event = fc.record({ kind: fc.constantFrom('joined', 'used', 'sold'), email: pick, phone: pick, badge: pick })
const world: fc.Arbitrary<World> = fc.record({
  rules: fc.record({ email: treatment, phone: treatment, name: treatment, exact: fc.boolean(), guarded: fc.boolean() }),
  before: fc.array(event as fc.Arbitrary<Event>, { minLength: 1, maxLength: 10 }),
  redacted: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
  after: fc.array(event as fc.Arbitrary<Event>, { maxLength: 6 }),
  batch: fc.integer({ min: 1, max: 8 }),
})

function definitions({ email, phone, name, exact, guarded }: Rules): object {
  const property = (how: Treatment): object => ({ type: 'string', ...(how && { sensitive: 'pii', treatment: how }) })
  const set = (field: string): object => ({ set: { property: field, from: `event.${field}` } })
  return {
    entities: {
      person: {
        starts: 'on',
        identity: { email: exact ? {} : { match: 'case_insensitive' }, phone: {}, badge: {} },
        properties: {
          email: property(email),
          phone: property(phone),
          name: property(name),
          uses: { type: 'integer', default: 0 },
        },
        states: {
          on: {
            when: {
              joined: { effects: ['create', set('email'), set('phone'), set('name')] },
              used: {
                ...(guarded ? { guard: 'event.name != null' } : {}),
                effects: ['create', { increment: { property: 'uses' } }, set('name')],
              },
            },
          },
        },
        relationships: [{ type: 'sales', target: 'sale', cardinality: 'has_many' }],
      },
      sale: {
        starts: 'done',
        identity: { no: {} },
        properties: { contact: { type: 'string' } },
        states: {
          done: {
            when: {
              sold: {
                effects: [
                  'create',
                  { set: { property: 'contact', from: 'event.email' } },
                  { relate: { type: 'buyer', target: 'person', hints: { person: ['email', 'badge'] } } },
                ],
              },
            },
          },
        },
        relationships: [{ type: 'buyer', target: 'person', cardinality: 'belongs_to' }],
      },
    },
    sources: {
      web: {
        event_type: 'kind',
        timestamp: 'at',
        events: Object.fromEntries(
          ['joined', 'used', 'sold'].map((kind) => [
            kind,
            {
              event_id: ['n'],
              mappings: {
                n: { from: 'n' },
                no: { from: 'no' },
                email: { from: 'who.mail' },
                phone: { from: 'tel' },
                badge: { from: 'badge' },
                name: { from: 'called' },
              },
              hints: kind === 'sold' ? { sale: ['no'] } : { person: ['email', 'phone', 'badge'] },
            },
          ]),
        ),
      },
    },
  }
}

const mail = (no: number): string => `mail${no}zq@canary.example`
const tel = (no: number): string => `0${no}77zqzq-canary${no}`
const called = (n: number): string => `Name${n}zq Canary${n}`

function recordOf(n: number, { kind, email, phone, badge }: Event): object {
  return {
    n,
    kind,
    at: START + n,
    no: `s${n}`,
    who: email === null ? {} : { mail: mail(email) },
    // A sale names its buyer by mail and badge; what else it says is nobody's.
    ...(phone === null || kind === 'sold' ? {} : { tel: tel(phone) }),
    ...(badge === null ? {} : { badge: `b${badge}` }),
    called: called(n),
  }
}

interface Seen {
  /** Numbers of each person's events. */
  readonly groups: readonly string[]
  readonly people: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly targets: readonly string[]
}

/** Persons, told by the events they have. */
async function seen(space: Defacto): Promise<Seen> {
  const keys = new Map<string, string>()
  const people = new Map<string, Record<string, unknown>>()
  for (const row of (await space.table('person').rows()) as unknown as Record<string, unknown>[]) {
    const { person_id, valid_from: _, ...rest } = row
    const key = (await space.ledger.eventsFor(person_id as string)).map(({ sequence }) => sequence).join(',')
    keys.set(person_id as string, key)
    people.set(key, rest)
  }
  // Of whom a sale is: another one that nobody has heard of otherwise has no events.
  const edges = (await space.relationship('buyer').rows()) as unknown as Record<string, unknown>[]
  const byTarget = Map.groupBy(edges, (edge) => edge['target_id'] as string)
  const targets: string[] = []
  for (const [target, sold] of byTarget) {
    const sales: string[] = []
    for (const { source_id } of sold) {
      sales.push((await space.ledger.eventsFor(source_id as string)).map(({ sequence }) => sequence).join(','))
    }
    targets.push(`${keys.get(target) ?? '-'}: ${sales.sort().join(' ')}`)
  }
  return { groups: [...people.keys()].sort(), people, targets: targets.sort() }
}

async function ingest(space: Defacto, records: readonly object[], batch: number): Promise<void> {
  for (let at = 0; at < records.length; at += batch) {
    await space.ingest('web', records.slice(at, at + batch) as never, { process: true })
  }
}

async function run({ rules, before, redacted, after, batch }: World, places: Place[]): Promise<void> {
  const [plain, place] = [await SQLITE.place(), await SQLITE.place()]
  places.push(plain, place)
  const first = before.map((one, index) => recordOf(index + 1, one))
  const rest = after.map((one, index) => recordOf(before.length + index + 1, one))
  const control = await plain.open(definitions(rules))
  const space = await place.open(definitions(rules))
  for (const one of [control, space]) await ingest(one, first, batch)

  const gone = new Set<string>()
  const touched = new Set<number>()
  for (const index of redacted) {
    const one = before[index % before.length] as Event
    const hint = one.email !== null ? mail(one.email) : one.phone !== null ? tel(one.phone) : `b${one.badge}`
    const id = await space.identity.lookup(hint, { type: 'person' })
    if (id === undefined) continue
    const events = await space.ledger.eventsFor(id)
    await space.redact(id)
    for (const { sequence } of events) {
      const { email, phone } = before[sequence - 1] as Event
      touched.add(sequence)
      if (rules.email !== null && email !== null) gone.add(mail(email))
      if (rules.phone !== null && phone !== null) gone.add(tel(phone).slice(0, 6))
      if (rules.name !== null) gone.add(rules.name === 'mask' ? called(sequence).slice(0, 6) : called(sequence))
    }
  }
  const values = [...gone]
  const compare = async (): Promise<void> => {
    const [expected, found] = [await seen(control), await seen(space)]
    expect(found.groups).toEqual(expected.groups)
    expect(found.targets).toEqual(expected.targets)
    for (const [key, row] of expected.people) {
      const same = key.split(',').every((sequence) => !touched.has(Number(sequence)))
      if (same && key.split(',').every((sequence) => Number(sequence) <= before.length))
        expect(found.people.get(key)).toEqual(row)
      else expect(found.people.get(key)?.['uses']).toEqual(row['uses'])
    }
    expect(await place.leaks(values)).toEqual([])
  }
  await compare()
  for (const one of [control, space]) await ingest(one, rest, batch)
  await compare()
  for (const options of [{ full: true }, { fromRaw: true }]) {
    for (const one of [control, space]) expect((await one.build(options)).failures).toEqual([])
    await compare()
  }
}

it('who is one person stays the same, and nothing of what was redacted is left', { timeout: 300_000 }, async () => {
  const numRuns = Number(process.env['DEFACTO_RUNS'] ?? 25)
  await fc.assert(
    fc.asyncProperty(world, async (one) => {
      const places: Place[] = []
      try {
        await run(one, places)
      } finally {
        for (const place of places) await place.remove()
      }
    }),
    { numRuns },
  )
})
