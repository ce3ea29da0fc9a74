import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import type { EntityName, Row, SourceName } from '../../src/definition-types.ts'
import {
  Definitions,
  defineDefinitions,
  Effect,
  Entity,
  Handler,
  Identity,
  Property,
  Relationship,
  Schema,
  Source,
  State,
  TimeRule,
  validateDefinitions,
} from '../../src/definitions.ts'
import { DefinitionError } from '../../src/errors.ts'
import { cleanSchemas, cleanSet } from '../support/clean-definitions.ts'
import { definitionSets } from '../support/definitions-arbitrary.ts'

const made: string[] = []
afterEach(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true, force: true })
})
/** A new directory with these files. */
async function project(files: Record<string, string | Uint8Array> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'definitions-'))
  made.push(root)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return root
}
const caught = async (promise: Promise<unknown>): Promise<DefinitionError> => {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(DefinitionError)
  return error as DefinitionError
}
const SHOP = new URL('../fixtures/definitions/shop', import.meta.url).pathname

describe('directories (spec 01 §1.2)', () => {
  test('the worked example', async () => {
    const shop = await Definitions.fromDirectory(SHOP)
    expect(shop.validate().errors).toEqual([])
    expect(Object.keys(shop.toObject().entities)).toEqual(['member', 'loan'])
    expect(shop.place('entities.member.starts')).toBe('entities/shop.yaml:2:11')
  })

  test('.yaml and .yml in file-name order, events/ as a second name of schemas/, the rest ignored with W11', async () => {
    const root = await project({
      'schemas/b.yml': 'second: { fields: {} }',
      'schemas/a.yaml': 'first: { fields: {} }',
      'schemas/README.md': '# no',
      'schemas/old/c.yaml': 'third: { fields: {} }',
      'events/d.yaml': 'fourth: { fields: {} }',
      'data/x.yaml': 'no: [',
    })
    const definitions = await Definitions.fromDirectory(root)
    expect(Object.keys(definitions.toObject().schemas)).toEqual(['first', 'second', 'fourth'])
    expect(definitions.validate().issues).toMatchObject([
      { code: 'W11', place: 'schemas/README.md' },
      { code: 'W11', place: 'schemas/old' },
    ])
  })

  test('a missing directory, or one without definitions, is refused and nothing is created', async () => {
    const root = await project()
    expect((await caught(Definitions.fromDirectory(join(root, 'no')))).message).toContain('does not exist')
    expect((await caught(Definitions.fromDirectory(root))).message).toContain('holds none of')
    expect(await readdir(root)).toEqual([])
  })

  test('every file that cannot be read is named in one error', async () => {
    const root = await project({
      'entities/a.yaml': 'item: [1',
      'entities/b.yaml': new Uint8Array([0x61, 0x3a, 0xff]),
      'schemas/a.yaml': 'e: { fields: {} }',
      'events/a.yaml': 'e: { fields: {} }',
    })
    const error = await caught(Definitions.fromDirectory(root))
    expect(error.code).toBe('E_DEFINITION')
    expect(error.details.errors).toEqual([
      expect.stringMatching(/^E32 entities\/b\.yaml: .*not valid UTF-8/),
      expect.stringMatching(/^E32 entities\/a\.yaml:1:\d+: file 'entities\/a\.yaml'/),
      expect.stringMatching(/^E32 events\/a\.yaml:1:1: Duplicate schema 'e'/),
    ])
  })

  test('written and read again it is the same set', async () => {
    await fc.assert(
      fc.asyncProperty(definitionSets, async (set) => {
        const root = await project()
        const definitions = Definitions.fromObject(set as object)
        await definitions.toYaml(join(root, 'out'))
        const again = await Definitions.fromDirectory(join(root, 'out'))
        expect(again.toObject()).toEqual(definitions.toObject())
        expect(again.version).toBe(definitions.version)
      }),
      { numRuns: 30 },
    )
  })

  test('names that file systems would not take get names they do', async () => {
    const root = await project()
    const schema = cleanSchemas().made as object
    await Definitions.fromObject({
      schemas: { '../up': schema, 'a/b': schema, A: schema, a: schema },
    } as object).toYaml(root)
    expect((await readdir(join(root, 'schemas'))).sort()).toEqual([
      '%2E%2E%2Fup.yaml',
      'A.yaml',
      'a%2Fb.yaml',
      'a-2.yaml',
    ])
    expect(await readFile(join(root, 'schemas', 'a%2Fb.yaml'), 'utf8')).toMatch(/^a\/b:\n/)
  })
})

describe('sets', () => {
  test('mistakes are reported by validate, thrown by assertValid', () => {
    const broken = Definitions.fromObject({ entities: { a: 5 } } as object)
    expect(broken.validate().valid).toBe(false)
    expect(() => broken.assertValid()).toThrow(DefinitionError)
    expect(validateDefinitions({ entities: [] } as object).errors).toHaveLength(1)
    expect(validateDefinitions(Definitions.fromObject(cleanSet()))).toEqual({
      valid: true,
      errors: [],
      warnings: [],
      issues: [],
    })
    expect(Definitions.fromObject({ ...cleanSet(), no: 1 } as object).assertValid().warnings).toHaveLength(1)
    expect(() => Definitions.fromObject({ ...cleanSet(), no: 1 } as object).assertValid({ strict: true })).toThrow(
      /W09/,
    )
  })
  test('from one YAML text', () => {
    const text = 'schemas:\n  e: { fields: { a: { type: strng } } }\n'
    expect(Definitions.fromYaml(text).validate().errors[0]).toMatch(/^E10 definitions\.yaml:2:\d+: /)
    expect(() => Definitions.fromYaml('schemas: [')).toThrow(/E32 definitions\.yaml:1:\d+/)
  })
  test('what toObject gives is a copy', () => {
    const definitions = Definitions.fromObject(cleanSet())
    delete definitions.toObject().entities.item
    expect(definitions.toObject().entities).toHaveProperty('item')
    expect(definitions.toDict()).toEqual(Definitions.fromDict(definitions.toObject()).toDict())
  })
})

describe('builders (spec 01 §1.1)', () => {
  const item = new Entity('item', {
    starts: 'new',
    identity: new Identity({ key: { match: 'case_insensitive' } }),
    properties: { size: new Property('number', { default: 0, min: 0 }) },
    states: {
      new: new State({
        when: {
          made: new Handler([
            Effect.create(),
            Effect.set('size', { from: 'event.size', condition: 'event.size != null' }),
            Effect.increment('size', { by: 2 }),
            Effect.relate('knows', { target: 'item', hints: { item: 'key' } }),
            Effect.transition('on'),
          ]),
        },
        after: [
          TimeRule.inactivity('1d', [Effect.transition('on')]),
          TimeRule.expiration('2d', [Effect.set('size', { value: 0 })]),
        ],
      }),
      on: new State(),
    },
    relationships: [Relationship.of('many_to_many', 'knows', 'item')],
  })
  const web = new Source('web', {
    event_type: 'kind',
    timestamp: 'at',
    events: {
      made: { mappings: { key: { from: 'id' }, size: { type: 'number' } }, hints: { item: 'key' }, event_id: 'key' },
    },
  })

  test('make the same as the object form', () => {
    const definitions = Definitions.of(item, web)
    expect(definitions.validate().errors).toEqual([])
    expect(definitions.toObject().entities.item).toEqual({
      starts: 'new',
      identity: { key: { match: 'case_insensitive' } },
      properties: { size: { type: 'number', default: 0, min: 0 } },
      states: {
        new: {
          when: {
            made: {
              effects: [
                'create',
                { set: { property: 'size', from: 'event.size', condition: 'event.size != null' } },
                { increment: { property: 'size', by: 2 } },
                { relate: { type: 'knows', target: 'item', hints: { item: ['key'] } } },
                { transition: { to: 'on' } },
              ],
            },
          },
          after: [
            { type: 'inactivity', threshold: '1d', effects: [{ transition: { to: 'on' } }] },
            { type: 'expiration', threshold: '2d', effects: [{ set: { property: 'size', value: 0 } }] },
          ],
        },
        on: {},
      },
      relationships: [{ type: 'knows', target: 'item', cardinality: 'many_to_many' }],
    })
    expect(() => Definitions.of(item, item)).toThrow(/Duplicate entity 'item'/)
  })

  test('every part goes through objects and YAML', () => {
    for (const part of [item, web, new Schema('e', { fields: { a: { type: 'string' } } })]) {
      const type = part.constructor as typeof Entity
      expect(type.fromObject(part.toObject() as never).toObject()).toEqual(part.toObject())
      expect(type.fromYaml(part.toYaml()).toObject()).toEqual(part.toObject())
      expect(part.validate().errors).toEqual([])
    }
    const parts = [
      new Property('string', { allowed: ['a'] }),
      new Identity({ k: null }),
      new State({ after: [TimeRule.stateDuration('1h', [Effect.transition('a')])] }),
      new Handler([Effect.create()], { guard: 'true' }),
      Effect.create(),
      Effect.transition('a', { condition: 'true' }),
      TimeRule.expiration('1h', [Effect.transition('a')]),
      Relationship.of('has_many', 'a', 'b', { properties: { p: new Property('number') } }),
    ]
    for (const part of parts) {
      const type = part.constructor as typeof Property
      expect(type.fromObject(part.toObject() as never).toObject()).toEqual(part.toObject())
      expect(type.fromYaml(part.toYaml()).toObject()).toEqual(part.toObject())
      expect(part.validate()).toMatchObject({ valid: true })
    }
    expect(new Property('strng' as 'string').validate().errors[0]).toContain("invalid type 'strng'")
  })

  test('one name only', () => {
    expect(() => Entity.fromObject({})).toThrow(DefinitionError)
    expect(() => Schema.fromObject({ a: { fields: {} }, b: { fields: {} } })).toThrow(
      /exactly one schema name, found 2/,
    )
    expect(() => Source.fromYaml('a: [')).toThrow(/E32 1:\d+/)
    expect(() => Property.fromYaml('{')).toThrow(DefinitionError)
  })
})

test('types follow from the definitions', () => {
  const d = defineDefinitions({
    entities: {
      item: {
        starts: 'new',
        identity: { key: {} },
        properties: {
          size: { type: 'number', default: 0 },
          count: { type: 'integer' },
          ok: { type: 'boolean' },
          at: { type: 'datetime' },
        },
        states: { new: { when: { made: { effects: ['create', { transition: { to: 'on' } }] } } }, on: null },
      },
      bare: { starts: 's', identity: { k: null }, states: { s: { when: { made: { effects: ['create'] } } } } },
    },
    sources: { web: { event_type: 'k', timestamp: 'at', events: {} } },
  })
  type D = typeof d
  expectTypeOf<EntityName<D>>().toEqualTypeOf<'item' | 'bare'>()
  expectTypeOf<SourceName<D>>().toEqualTypeOf<'web'>()
  expectTypeOf<Row<D, 'item'>['size']>().toEqualTypeOf<number | null>()
  expectTypeOf<Row<D, 'item'>['count']>().toEqualTypeOf<number | bigint | null>()
  expectTypeOf<Row<D, 'item'>['at']>().toEqualTypeOf<string | null>()
  expectTypeOf<Row<D, 'item'>['item_state']>().toEqualTypeOf<'new' | 'on'>()
  expectTypeOf<Row<D, 'bare'>['bare_id']>().toEqualTypeOf<string>()
  expectTypeOf<Row<D, 'bare'>['valid_to']>().toEqualTypeOf<string | null>()
  expectTypeOf<EntityName<{ entities?: undefined }>>().toEqualTypeOf<string>()
  expect(Definitions.fromObject(d).validate().errors).toEqual([])
})
