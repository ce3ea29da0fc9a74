/**
 * Random lives of a space with merges, redactions and erasures against an account of which records still count (spec 05):
 * after every step nothing of the erased is in any table, and everybody else is what the surviving records amount to.
 */
import '../support/small-units.ts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import '../support/seed.ts'
import { Digests } from '../../src/core/privacy/digest.ts'
import type { Defacto } from '../../src/index.ts'
import { entityKey } from '../oracle/identity.ts'
import { type Fields, hintsIn, LifecycleModel, ownFields, type Summary } from '../support/lifecycle-model.ts'
import { type Place, POSTGRES, START, TIERED } from '../support/redaction.ts'

type Treatment = 'redact' | 'hash' | 'mask'
type Step =
  | { do: 'ingest'; picks: readonly number[] }
  | { do: 'build'; full: boolean }
  | { do: 'renormalize'; edition: number }
  | { do: 'merge'; from: number; into: number }
  | { do: 'redact'; who: number; sticky: boolean }
  | { do: 'erase'; who: number; suppress: boolean }
  | { do: 'archive'; keep: number }
  | { do: 'reopen' }
interface Saying {
  readonly kind: 'joined' | 'called' | 'deal' | 'reported'
  readonly mail: number | null
  readonly tel: number | null
  readonly badge: number | null
  readonly thing: number
}
interface Life {
  readonly treatment: Treatment
  /** Merges by hand, or definitions that know one type of event less: what both amount to together nobody has said. */
  readonly merges: boolean
  readonly sayings: readonly Saying[]
  readonly steps: readonly Step[]
}

const pick = fc.option(fc.nat(3), { nil: null, freq: 2 })
const saying: fc.Arbitrary<Saying> = fc.record({
  kind: fc.constantFrom('joined', 'called', 'deal', 'reported'),
  mail: pick,
  tel: pick,
  badge: pick,
  thing: fc.nat(2),
})
const does = <K extends Step['do']>(name: K): fc.Arbitrary<K> => fc.constant(name)
const ingest = fc.record({ do: does('ingest'), picks: fc.array(fc.nat(11), { minLength: 1, maxLength: 6 }) })
const who = fc.nat(9)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: ingest },
  { weight: 1, arbitrary: fc.record({ do: does('build'), full: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: does('renormalize'), edition: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: does('merge'), from: who, into: who }) },
  { weight: 2, arbitrary: fc.record({ do: does('redact'), who, sticky: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: does('erase'), who, suppress: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: does('archive'), keep: fc.constantFrom(0, 1, 4) }) },
  { weight: 1, arbitrary: fc.record({ do: does('reopen') }) },
)
const life: fc.Arbitrary<Life> = fc.record({
  treatment: fc.constantFrom('redact', 'hash', 'mask'),
  merges: fc.boolean(),
  sayings: fc.array(saying, { minLength: 4, maxLength: 12 }),
  steps: fc.array(step, { minLength: 3, maxLength: 14, size: 'max' }),
})

/** The second has one more property, the third reads deals otherwise and, where nobody merges by hand, knows no calls. */
function definitionsOf({ treatment, merges }: Life, edition: number): object {
  const relate = (type: string): object => ({ relate: { type, target: 'person', hints: { person: ['mail'] } } })
  const used: unknown[] = ['create', { increment: { property: 'uses' } }]
  const from = (...fields: string[]): object => Object.fromEntries(fields.map((field) => [field, { from: field }]))
  const event = (hints: object, fields: string[]): object => ({
    event_id: ['n'],
    mappings: from('n', ...fields),
    hints,
  })
  const hidden = { type: 'string', sensitive: 'pii', treatment }
  return {
    entities: {
      person: {
        starts: 'on',
        identity: { mail: { match: 'case_insensitive' }, tel: {}, badge: {} },
        properties: {
          mail: hidden,
          called: hidden,
          uses: { type: 'integer', default: 0 },
          ...(edition === 1 ? { more: { type: 'string' } } : {}),
        },
        states: {
          on: {
            when: {
              joined: {
                effects: [
                  ...used,
                  { set: { property: 'mail', from: 'event.mail' } },
                  { set: { property: 'called', from: 'event.called' } },
                ],
              },
              called: { effects: used },
              deal: { effects: used },
            },
          },
        },
        relationships: [
          { type: 'deals', target: 'company', cardinality: 'many_to_many' },
          { type: 'reports', target: 'ticket', cardinality: 'has_many' },
        ],
      },
      company: {
        starts: 'on',
        identity: { vat: {} },
        properties: { uses: { type: 'integer', default: 0 }, worth: { type: 'integer' } },
        states: {
          on: {
            when: {
              deal: { effects: [...used, { set: { property: 'worth', from: 'event.worth' } }, relate('contact')] },
            },
          },
        },
        relationships: [{ type: 'contact', target: 'person', cardinality: 'many_to_many' }],
      },
      ticket: {
        starts: 'on',
        identity: { ticket: {} },
        properties: { uses: { type: 'integer', default: 0 } },
        states: { on: { when: { reported: { effects: [...used, relate('reporter')] } } } },
        relationships: [{ type: 'reporter', target: 'person', cardinality: 'belongs_to' }],
      },
    },
    sources: {
      crm: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          joined: event({ person: ['mail', 'tel', 'badge'] }, ['mail', 'tel', 'badge', 'called']),
          deal: {
            event_id: ['n'],
            mappings: { ...from('n', 'mail', 'vat'), worth: { from: edition === 2 ? 'price' : 'n' } },
            hints: { person: ['mail'], company: ['vat'] },
          },
          reported: event({ ticket: ['ticket'] }, ['ticket', 'mail']),
          ...(edition === 2 && !merges ? {} : { called: event({ person: ['tel', 'badge'] }, ['tel', 'badge']) }),
        },
      },
    },
  }
}

function recordOf(n: number, { kind, mail, tel, badge, thing }: Saying): Fields {
  const given = (name: string, no: number | null, text: string): Fields => (no === null ? {} : { [name]: text })
  const address = `${n % 2 === 0 ? 'Mail' : 'mail'}${mail}.zq@life.example`
  return {
    n,
    kind,
    at: START + n * 60,
    ...given('mail', kind === 'called' ? null : mail, address),
    ...(kind === 'joined' || kind === 'called'
      ? { ...given('tel', tel, `+${tel}zqzq-tel-${tel}`), ...given('badge', badge, `badge${badge}-zq`) }
      : {}),
    ...(kind === 'joined' ? { called: `Zq-${n}-Name-Of-${n}` } : {}),
    ...(kind === 'deal' ? { vat: `vat${thing}-zq`, price: n * 2 } : {}),
    ...(kind === 'reported' ? { ticket: `ticket${thing}-zq` } : {}),
  }
}

const KEY = 'the key of a life that is made up'
const digests = new Digests(new TextEncoder().encode(KEY))

/** A space, and what must be true of it. */
class Lived {
  readonly #life: Life
  readonly #place: Place
  readonly #model: LifecycleModel
  #edition = 0
  #space: Defacto | null = null
  /** Ids that must never own anything again. */
  readonly #gone = new Set<string>()
  /** Texts that must be nowhere, and whether they may come back with another record. */
  readonly #forbidden = new Map<string, 'until-sent' | 'always'>()
  /** Numbers of events that were treated. */
  readonly #treated = new Set<number>()
  readonly #values = new Map<string, string>()
  #merges = 0

  constructor(one: Life, place: Place) {
    this.#life = one
    this.#place = place
    this.#model = new LifecycleModel(definitionsOf(one, 0))
    for (const [index, said] of one.sayings.entries()) {
      for (const value of Object.values(recordOf(index + 1, said))) {
        if (typeof value !== 'string') continue
        for (const text of [value, value.toLowerCase()]) this.#values.set(digests.token(text), text)
      }
    }
  }

  async run(): Promise<void> {
    this.#space = await this.#open()
    for (const one of this.#life.steps) {
      await this.#step(one)
      await this.#check()
    }
    await this.#step({ do: 'build', full: true })
    await this.#check()
    await this.#step({ do: 'renormalize', edition: this.#edition })
    await this.#check()
  }

  #open(): Promise<Defacto> {
    return this.#place.open(definitionsOf(this.#life, this.#edition), { redactionKey: KEY, activate: 'always' })
  }

  get #engine(): Defacto {
    if (this.#space === null) throw new Error('not open')
    return this.#space
  }

  async #step(one: Step): Promise<void> {
    const space = this.#engine
    if (one.do === 'ingest') await this.#ingest(one.picks)
    else if (one.do === 'build') await space.build({ full: one.full })
    else if (one.do === 'renormalize') {
      this.#edition = one.edition
      await space.close()
      this.#space = await this.#open()
      await this.#engine.build({ fromRaw: true })
      this.#model.renormalize(definitionsOf(this.#life, one.edition))
    } else if (one.do === 'merge') {
      if (this.#life.merges) await this.#merge(one.from, one.into)
    } else if (one.do === 'redact') await this.#redact(one.who, one.sticky)
    else if (one.do === 'erase') await this.#erase(one.who, one.suppress)
    else if (one.do === 'archive') {
      if (this.#place.options.coldLedger === undefined) return
      const { tiers } = space.ledger
      await tiers.flush()
      await tiers.prune({ before: Math.max(0, (await tiers.status()).head - one.keep) })
    } else {
      await space.close()
      this.#space = await this.#open()
    }
  }

  async #ingest(picks: readonly number[]): Promise<void> {
    const numbers = picks.map((one) => (one % this.#life.sayings.length) + 1)
    const records = numbers.map((n) => recordOf(n, this.#life.sayings[n - 1] as Saying))
    await this.#engine.ingest('crm', records as never, { process: true, throwIfAllFail: false })
    for (const [index, record] of records.entries()) {
      if (!this.#model.ingest(numbers[index] as number, record)) continue
      for (const text of textsOf(record)) if (this.#forbidden.get(text) === 'until-sent') this.#forbidden.delete(text)
    }
  }

  async #merge(from: number, into: number): Promise<void> {
    const people = [...this.#model.entities()].flatMap(([key, { type }]) => (type === 'person' ? [key] : [])).sort()
    const keys = [from, into].map((no) => people[no % Math.max(1, people.length)]) as [string, string]
    if (people.length < 2 || keys[0] === keys[1]) return
    const ids = [await this.#idOf(keys[0]), await this.#idOf(keys[1])] as const
    await this.#engine.merge(ids[0], ids[1], { reason: 'by hand' })
    this.#model.links.push({ type: 'person', hints: keys.flatMap(hintsIn) })
    this.#merges += 1
  }

  async #redact(no: number, sticky: boolean): Promise<void> {
    const [key, { events, type }] = this.#pick(no) ?? [null, NOTHING]
    if (key === null || type !== 'person') return
    const id = await this.#idOf(key)
    await this.#engine.redact(id, { sticky })
    for (const { n, record } of this.#model.rows) {
      if (!events.includes(n)) continue
      this.#treated.add(n)
      if (record['called'] !== undefined) this.#forbidden.set(this.#nameLeft(record['called'] as string), 'until-sent')
    }
    for (const [, field, value] of hintsIn(key)) {
      if (field !== 'mail') continue
      for (const text of [value, value.replace('mail', 'Mail')]) {
        if (!(this.#forbidden.get(text) === 'always')) this.#forbidden.set(text, sticky ? 'always' : 'until-sent')
      }
    }
  }

  #nameLeft(name: string): string {
    return this.#life.treatment === 'mask' ? name.slice(0, -4) : name
  }

  async #erase(no: number, suppress: boolean): Promise<void> {
    const [key, { type }] = this.#pick(no) ?? [null, NOTHING]
    if (key === null) return
    const id = await this.#idOf(key)
    const family = [id, ...(await this.#engine.identity.merges(id)).map(({ mergedEntity }) => mergedEntity)]
    const result = await this.#engine.erase(id, { suppress })
    expect(result.complete).toBe(true)
    for (const one of family) this.#gone.add(one)
    const emptied = this.#model.erase(key, suppress)
    expect(result.eventsDeleted).toBeGreaterThanOrEqual(emptied.length)
    // What else its events name is others', who are there still.
    const own = emptied.flatMap(({ record }) => textsOf(ownFields(type, record)))
    const texts = [...own, ...hintsIn(key).map(([, , value]) => value)]
    const left = new Set(this.#model.rows.flatMap(({ record }) => textsOf(record)))
    for (const text of texts) if (!left.has(text)) this.#forbidden.set(text, 'until-sent')
  }

  #pick(no: number): [string, Summary] | undefined {
    const all = [...this.#model.entities()].sort(([a], [b]) => (a < b ? -1 : 1))
    return all[no % Math.max(1, all.length)]
  }

  async #idOf(key: string): Promise<string> {
    const [[type, field, value]] = hintsIn(key) as [[string, string, string]]
    const id = await this.#engine.identity.lookup(value, { type, hintType: field })
    if (id === undefined) throw new Error(`nobody is known by ${key}`)
    return id
  }

  async #check(): Promise<void> {
    const expected = this.#model.entities()
    const found = await this.#found()
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
    for (const [key, summary] of expected) {
      const { rows, ...rest } = found.get(key) as Summary
      const { rows: wanted, ...same } = summary
      expect({ key, ...rest }).toEqual({ key, ...same })
      // What is left of values may be the same where they were not: such rows are one.
      if (summary.events.some((n) => this.#treated.has(n))) expect(rows.at(-1)).toEqual(wanted.at(-1))
      else expect(rows).toEqual(wanted)
    }
    for (const id of this.#gone) {
      expect(await this.#engine.identity.hints(id)).toEqual({})
      expect(await this.#engine.ledger.eventsFor(id)).toEqual([])
    }
    expect(await this.#place.leaks([...this.#forbidden.keys()])).toEqual([])
    const merges = this.#model.links.length
    expect(await this.#engine.ledger.count({ source: 'crm' })).toBe(this.#model.rows.length)
    expect(await this.#engine.ledger.count()).toBeGreaterThanOrEqual(this.#model.rows.length + merges)
  }

  async #found(): Promise<Map<string, Summary>> {
    const space = this.#engine
    const keys = new Map<string, string>()
    const keyOf = async (type: string, id: string): Promise<string> => {
      const hints = Object.entries(await space.identity.hints(id))
      const key = entityKey(
        hints.flatMap(([field, values]) =>
          values.map((value) => JSON.stringify([type, field, this.#values.get(value) ?? value])),
        ),
      )
      keys.set(id, key)
      return key
    }
    const found = new Map<string, Summary>()
    for (const type of ['person', 'company', 'ticket']) {
      const rows = (await space.history(type).rows()) as unknown as Record<string, unknown>[]
      const edgeType = { company: 'contact', ticket: 'reporter' }[type]
      const edges =
        edgeType === undefined
          ? []
          : ((await space.relationship(edgeType, { history: true }).rows()) as unknown as Record<string, unknown>[])
      for (const [id, own] of Map.groupBy(rows, (row) => row[`${type}_id`] as string)) {
        expect(this.#gone).not.toContain(id)
        const stored = await space.ledger.eventsFor(id)
        const numbers: number[] = []
        for (const { sequence, eventType } of stored) {
          if (eventType.startsWith('_')) continue
          const { raw } = (await space.ledger.event({ sequence })) as unknown as { raw: Fields }
          numbers.push(Number(raw['n']))
        }
        const targets: string[] = []
        for (const edge of edges.filter(({ source_id }) => source_id === id)) {
          const target = await keyOf('person', edge['target_id'] as string)
          targets.push(`${edge['valid_to'] === null ? 'now' : 'once'} ${target}`)
        }
        found.set(await keyOf(type, id), {
          type,
          events: numbers.sort((a, b) => a - b),
          rows: own
            .sort((a, b) => (String(a['valid_from']) < String(b['valid_from']) ? -1 : 1))
            .map((row) => [row[`${type}_state`] as string, Number(row['uses'])]),
          edges: targets.sort(),
        })
      }
    }
    return found
  }
}

const NOTHING: Summary = { type: '', events: [], rows: [], edges: [] }
const textsOf = (record: Fields): string[] =>
  Object.entries(record).flatMap(([name, value]) =>
    typeof value === 'string' && name !== 'kind' ? [value, value.toLowerCase()] : [],
  )

// A database of a server takes longer to make than what is done in it.
for (const [kind, runs] of [
  [TIERED, 20],
  [POSTGRES, 8],
] as const) {
  kind.describe(kind.name, () => {
    it('whatever is merged, redacted and erased in whatever order, the rest stays as it is', {
      timeout: 300_000,
    }, async () => {
      const numRuns = Number(process.env['DEFACTO_RUNS'] ?? runs)
      await fc.assert(
        fc.asyncProperty(life, async (one) => {
          const place = await kind.place()
          try {
            await new Lived(one, place).run()
          } finally {
            await place.remove()
          }
        }),
        { numRuns },
      )
    })
  })
}
