import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { fromObject } from '../../src/core/definition/load.ts'
import { fromYamlFiles, fromYamlText } from '../../src/core/definition/load-yaml.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { Definitions } from '../../src/definitions.ts'
import { definitionSets } from '../support/definitions-arbitrary.ts'

test('the generated sets are valid', () => {
  fc.assert(
    fc.property(definitionSets, (set) => {
      expect(validate(fromObject(set)).errors).toEqual([])
    }),
  )
})

test('fromObject(toObject(x)) equals x, and so do hashes and version', () => {
  fc.assert(
    fc.property(definitionSets, (set) => {
      const one = Definitions.fromObject(set as object)
      const two = Definitions.fromObject(one.toObject())
      expect(two.toObject()).toEqual(one.toObject())
      expect([two.version, two.hashes]).toEqual([one.version, one.hashes])
      expect(two.validate()).toEqual(one.validate())
    }),
  )
})

test('YAML gives the same set and the same findings as the object form', () => {
  fc.assert(
    fc.property(definitionSets, (set) => {
      const object = fromObject(set)
      const yaml = fromYamlText(stringify(set, { lineWidth: 0 }))
      expect(yaml.definitions).toEqual(object.definitions)
      const findings = (loaded: typeof object) => validate(loaded).issues.map(({ place, ...issue }) => issue)
      expect(findings(yaml)).toEqual(findings(object))
      expect(validate(yaml).issues.filter((issue) => issue.place === null)).toEqual([])
    }),
  )
})

/** Any data in any place: what a user's mistake may look like. */
const junk = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, '', 'create', 'event.x', 0, -1, Number.NaN, true, [], {}, [null], {
    '': null,
  }),
  fc.anything({ maxDepth: 2, withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
)
const KEYS = ['when', 'after', 'effects', 'set', '__proto__', 'constructor', 'states', 'hints', '', 'x-y', 'a.b']

test('no mistake makes the check throw, and every one is found again at its path', () => {
  fc.assert(
    fc.property(
      definitionSets,
      fc.array(fc.tuple(fc.array(fc.nat()), junk, fc.constantFrom(...KEYS)), { minLength: 1, maxLength: 4 }),
      (set, spoils) => {
        const spoiled = structuredClone(set) as unknown as Record<string, unknown>
        for (const [way, value, key] of spoils) {
          let at: Record<string, unknown> = spoiled
          for (const step of way) {
            const inner = Object.values(at).filter(
              (v): v is Record<string, unknown> => typeof v === 'object' && v !== null,
            )
            if (inner.length === 0) break
            at = inner[step % inner.length]!
          }
          const names = Object.keys(at)
          const name = way.length % 3 === 0 || names.length === 0 ? key : names[way.length % names.length]!
          if (!Object.isFrozen(at))
            Object.defineProperty(at, name, { value, enumerable: true, writable: true, configurable: true })
        }
        const loaded = fromObject(spoiled)
        const result = validate(loaded)
        expect(result.valid).toBe(result.errors.length === 0)
        expect(result.issues.every((issue) => /^[EW]\d\d$/.test(issue.code) && issue.message !== '')).toBe(true)
        if (result.valid) expect(fromObject(loaded.definitions).definitions).toEqual(loaded.definitions)
      },
    ),
    { numRuns: 500 },
  )
})

test('no text makes reading throw', () => {
  const piece = fc.constantFrom(
    'a',
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    '{',
    '}',
    '&x ',
    '*x',
    '<<',
    '"',
    "'",
    '#',
    '|',
    '? ',
    '!t ',
    '\t',
    '---\n',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 30 }).map((p) => p.join('')),
      ),
      (text) => {
        const loaded = fromYamlFiles([{ kind: 'entities', name: 'entities/a.yaml', text }])
        expect(validate(loaded).issues.every((issue) => issue.place !== null || issue.path === '')).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
})
