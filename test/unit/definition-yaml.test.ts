import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type DefinitionFile, fromYamlFiles, fromYamlText } from '../../src/core/definition/load-yaml.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { parseYamlTree } from '../../src/core/definition/yaml-tree.ts'

const shop = new URL('../fixtures/definitions/shop/', import.meta.url)
const file = (kind: DefinitionFile['kind'], name: string): DefinitionFile => {
  return { kind, name, text: readFileSync(new URL(name, shop), 'utf8') }
}
const SHOP = [file('entities', 'entities/shop.yaml'), file('sources', 'sources/kiosk.yaml')]

const schemas = (...texts: string[]) =>
  fromYamlFiles(texts.map((text, i) => ({ kind: 'schemas', name: `schemas/${i}.yaml`, text })))
const places = (...texts: string[]): string[] =>
  schemas(...texts).issues.map((issue) => `${issue.code} ${issue.place}: ${issue.message}`)

describe('the worked example (spec 01 §7)', () => {
  test('is valid, with the stated warnings and no others', () => {
    const result = validate(fromYamlFiles(SHOP))
    expect(result.errors).toEqual([])
    expect(result.issues.map((issue) => `${issue.code} ${issue.path}`)).toEqual([
      'W01 entities.member.states.closed',
      'W01 entities.loan.states.returned',
      'W03 entities.member.properties.loans',
      'W03 entities.member.properties.joined_at',
      'W03 entities.loan.properties.tool',
      'W03 entities.loan.properties.due',
    ])
  })
  test('every finding has its place', () => {
    const { issues } = validate(fromYamlFiles(SHOP))
    expect(issues[0]?.place).toBe('entities/shop.yaml:42:5')
    expect(issues[2]?.place).toBe('entities/shop.yaml:10:5')
  })
  test('places of paths', () => {
    const loaded = fromYamlFiles(SHOP)
    expect(loaded.place('entities.member.states.active.when.tier_changed.guard')).toBe('entities/shop.yaml:26:18')
    expect(loaded.place('entities.loan.states.open.after[0].threshold')).toBe('entities/shop.yaml:69:46')
    expect(loaded.place('sources.kiosk.events.member_joined')).toBe('sources/kiosk.yaml:5:5')
    // The nearest place that exists stands in for what is absent.
    expect(loaded.place('sources.kiosk.events.member_joined.tags[0]')).toBe('sources/kiosk.yaml:5:5')
    expect(loaded.place('sources.other')).toBeNull()
  })
})

describe('YAML 1.2', () => {
  test('anchors, aliases and merge keys', () => {
    const loaded = fromYamlText(`
schemas:
  x-base: &base { type: string, required: true }
  a:
    fields: &fields
      k: *base
      l: { <<: *base, required: false, min_length: 2 }
  b: { fields: { <<: [*fields, { m: { type: number } }], k: { type: integer } } }
`)
    expect(loaded.issues).toEqual([])
    expect(loaded.definitions.schemas).toEqual({
      a: { fields: { k: { type: 'string', required: true }, l: { type: 'string', required: false, min_length: 2 } } },
      b: {
        fields: {
          k: { type: 'integer' },
          l: { type: 'string', required: false, min_length: 2 },
          m: { type: 'number' },
        },
      },
    })
  })
  test('merged values keep the place they were written at', () => {
    const text = 'a:\n  fields:\n    x: &x { type: strng }\n    y: { <<: *x, required: true }\n'
    expect(places(text).map((line) => line.split(': ')[0])).toEqual([
      'E10 schemas/0.yaml:3:19',
      'E10 schemas/0.yaml:3:19',
    ])
  })
  test('scalar keys are taken as text, values as YAML 1.2 has them', () => {
    const loaded = schemas(
      '1.0: { fields: { yes: { type: string, allowed: [yes, on, 2024-01-15, 012] } } }\nnull: { fields: {} }',
    )
    expect(Object.keys(loaded.definitions.schemas)).toEqual(['1.0', 'null'])
    expect(loaded.definitions.schemas['1.0']?.fields.yes?.allowed).toEqual(['yes', 'on', '2024-01-15', 12])
  })
  test('empty files and comments contribute nothing', () => {
    expect(schemas('', '# nothing\n', '---\n').issues).toEqual([])
  })
  test('`__proto__` keys are reported and harmless', () => {
    expect(places('__proto__: { fields: {} }\na: { fields: { __proto__: { type: string } } }')).toEqual([
      expect.stringContaining("E04 schemas/0.yaml:1:1: schema '__proto__': invalid name '__proto__'"),
      expect.stringContaining("E04 schemas/0.yaml:2:16: schema 'a' field '__proto__': invalid name '__proto__'"),
    ])
  })
})

describe('files that cannot be read', () => {
  test('syntax errors have file, line and column', () => {
    const [issue] = places('a:\n  fields: { x: [1, 2 }\n')
    expect(issue).toMatch(/^E32 schemas\/0\.yaml:2:\d+: file 'schemas\/0\.yaml': cannot read the file/)
  })
  test('duplicate keys name the line, and both texts of a key are one', () => {
    expect(places('a:\n  fields:\n    x: { type: string }\n    "x": { type: number }')).toEqual([
      expect.stringContaining("E32 schemas/0.yaml:4:5: file 'schemas/0.yaml': Duplicate key 'x': it stands in line 3"),
    ])
  })
  test('the same name twice in one kind', () => {
    expect(places('a: { fields: {} }', '\na: { fields: {} }')).toEqual([
      "E32 schemas/1.yaml:2:1: Duplicate schema 'a': it is defined in 'schemas/0.yaml' already",
    ])
  })
  test('a top level that is no map names the file', () => {
    expect(places('- a')).toEqual([
      "E01 schemas/0.yaml:1:1: file 'schemas/0.yaml': expected a map of schemas by name, found a list",
    ])
  })
  test('several documents in one file', () => {
    expect(places('a: { fields: {} }\n---\nb: { fields: {} }')[0]).toMatch(/^E32 schemas\/0\.yaml:2:1/)
  })
  test('what a lost file defined is not held against the others', () => {
    const result = validate(fromYamlFiles([{ ...SHOP[0]!, text: 'member: [' }, SHOP[1]!]))
    expect(result.issues.map((issue) => issue.code)).toEqual(['E32'])
  })
  test('aliases that amount to too much, lead nowhere or to themselves', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 10; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      )
    expect(parseYamlTree(lines.join('\n'))).toMatchObject({
      value: undefined,
      faults: [{ code: 'E32', message: expect.stringContaining('aliases amount to more than') }],
    })
    expect(places('a: *nowhere')[0]).toMatch(/^E32 /)
    expect(places('a: &a\n  fields: *a')[0]).toMatch(/^E32 schemas\/0\.yaml:2:11: .*contains itself/)
  })
  test('nesting beyond any reason', () => {
    expect(parseYamlTree('['.repeat(10_000)).faults[0]).toMatchObject({ code: 'E32' })
    expect(places(`a: ${'{ b: '.repeat(3_000)}${'}'.repeat(3_000)}`)[0]).toMatch(/^E/)
  })
  test('keys that are no texts, and merges of no maps', () => {
    expect(places('a: { fields: {} }\n? [b]\n: { fields: {} }')).toEqual([
      expect.stringContaining('E01 schemas/0.yaml:2:3'),
    ])
    expect(places('a:\n  <<: 5\n  fields: {}')[0]).toMatch(/^E01 schemas\/0\.yaml:2:3: .*behind '<<'/)
  })
})
