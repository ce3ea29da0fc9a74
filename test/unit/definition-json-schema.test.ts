import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { jsonSchemaOf } from '../../src/core/definition/json-schema.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import { KINDS, type Kind } from '../../src/core/definition/shape.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { cleanSchemas, cleanSet } from '../support/clean-definitions.ts'
import { spoiled } from '../support/definition-case.ts'
import { CASES } from '../support/definition-cases.ts'
import { cleanPipeline } from '../support/definition-cases-pipeline.ts'
import { definitionSets } from '../support/definitions-arbitrary.ts'
import { violations } from '../support/json-schema.ts'

const SCHEMAS = Object.fromEntries(KINDS.map((kind) => [kind, jsonSchemaOf(kind)])) as Record<Kind, object>
const breaks = (set: Partial<Record<Kind, unknown>>): string[] =>
  KINDS.flatMap((kind) =>
    set[kind] === undefined || set[kind] === null
      ? []
      : violations(SCHEMAS[kind] as never, set[kind]).map((at) => kind + at),
  )

describe('JSON Schema draft-07 for editors', () => {
  test.each(KINDS)('%s: draft-07, with descriptions', (kind) => {
    expect(SCHEMAS[kind]).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' })
    const text = JSON.stringify(SCHEMAS[kind])
    expect(text.match(/"description":"/g)?.length).toBeGreaterThan(3)
    expect(text).not.toContain('prefixItems')
  })

  test('accepts the worked example as it is written', () => {
    const read = (name: string): unknown =>
      parse(readFileSync(new URL(`../fixtures/definitions/shop/${name}`, import.meta.url), 'utf8'))
    expect(breaks({ entities: read('entities/shop.yaml'), sources: read('sources/kiosk.yaml') })).toEqual([])
  })

  test('accepts valid sets as written and in canonical form', () => {
    fc.assert(
      fc.property(definitionSets, (set) => {
        expect(breaks(set)).toEqual([])
        expect(breaks({ ...fromObject(set).definitions })).toEqual([])
      }),
    )
    expect(breaks({ ...cleanSet(), schemas: cleanSchemas(), pipelines: { nightly: cleanPipeline() } })).toEqual([])
  })

  // What only names, references and expressions can tell is beyond a schema.
  const STRUCTURAL = ['E01', 'E02', 'E03', 'E09', 'E10', 'E15', 'W09', 'P03']
  const KNOWN_ONLY_TO_VALIDATE = [
    'entities.item.properties.size.max',
    'sources.web.events.made.mappings.key.from',
    'pipelines.nightly.as_of',
  ]
  test.each(
    CASES.filter((one) => STRUCTURAL.includes(one.code) && one.path !== 'events')
      .filter((one) => !KNOWN_ONLY_TO_VALIDATE.includes(one.path) && one.code !== 'E09')
      .map((one) => [`${one.code} ${one.path} ${one.says}`, one] as const),
  )('refuses %s', (_, one) => {
    expect(validate(fromObject(spoiled(one))).issues.some((issue) => issue.code === one.code)).toBe(true)
    expect(breaks(spoiled(one))).not.toEqual([])
  })
})
