/** Rules for the codes of spec 01 §5: one per error and warning. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readDefinitionsDirectory } from '../../src/adapters/files/definitions-directory.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import { fromYamlFiles } from '../../src/core/definition/load-yaml.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { cleanSet } from '../support/clean-definitions.ts'
import { checkCase } from '../support/definition-case.ts'
import { CASES } from '../support/definition-cases.ts'
import type { Rule } from './rule.ts'

const dir = 'src/core/definition'

/** The mutation that removes the check of a code. */
const OFF: Readonly<Record<string, Rule['off']>> = {
  E01: {
    file: `${dir}/read.ts`,
    find: "issues.add(rule.wrong?.code ?? 'E01', path,",
    replace: 'void (rule.wrong?.code, path,',
  },
  E02: { file: `${dir}/read.ts`, find: "if (required) issues.add('E02'", replace: "if (false) issues.add('E02'" },
  E03: {
    file: `${dir}/read.ts`,
    find: "issues.add(rule.code ?? 'E03', path,",
    replace: "if (rule.code) issues.add(rule.code ?? 'E03', path,",
  },
  E04: { file: `${dir}/check-names.ts`, find: 'if (!NAME.test(name)) {', replace: 'if (false) {' },
  E05: {
    file: `${dir}/check-expressions.ts`,
    find: "report(check, site, 'E05', `column",
    replace: "void (check, site, 'E05', `column",
  },
  E06: {
    file: `${dir}/check-machine.ts`,
    find: 'if (duration !== null && duration.ms > 0) return',
    replace: 'if (duration !== undefined) return',
  },
  E07: { file: `${dir}/shape.ts`, find: "empty: { code: 'E07', message: 'expected at least one state' }", replace: '' },
  E08: {
    file: `${dir}/check-machine.ts`,
    find: "check.issues.add('E08', [...path, 'starts'],",
    replace: "void ('E08', [...path, 'starts'],",
  },
  E09: {
    file: `${dir}/shape.ts`,
    find: "empty: { code: 'E09', message: 'expected at least one identity field' }",
    replace: '',
  },
  E10: { file: `${dir}/shape.ts`, find: "{ code: 'E10', noun: 'invalid type' }", replace: '{}' },
  E11: { file: `${dir}/check-values.ts`, find: "check.issues.add('E11', path, message)", replace: 'void message' },
  E12: {
    file: `${dir}/check-values.ts`,
    find: 'if (max !== undefined && value > max)',
    replace: 'if (max === 0.5)',
  },
  E13: {
    file: `${dir}/check-names.ts`,
    find: 'if (!reserved.has(name.toLowerCase())) return',
    replace: 'if (!reserved.has(name)) return',
  },
  E14: {
    file: `${dir}/check-effects.ts`,
    find: 'if (found.compute !== undefined) {',
    replace: 'if (found.compute === null) {',
  },
  E15: {
    file: `${dir}/read.ts`,
    find: 'if (raw.length === 0 && rule.empty)',
    replace: 'if (raw.length < 0 && rule.empty)',
  },
  E16: {
    file: `${dir}/check-machine.ts`,
    find: 'if (known.includes(to) || known.length === 0) continue',
    replace: 'continue',
  },
  E17: {
    file: `${dir}/check-effects.ts`,
    find: 'if (!Object.hasOwn(properties, property)) {',
    replace: 'if (!(property in properties)) {',
  },
  E18: { file: `${dir}/check-effects.ts`, find: 'if (given.length > 1) {', replace: 'if (given.length > 3) {' },
  E19: {
    file: `${dir}/check-effects.ts`,
    find: "if (type !== 'number' && type !== 'integer') {",
    replace: "if (type === 'boolean') {",
  },
  E20: { file: `${dir}/check-machine.ts`, find: 'if (!creating) {', replace: 'if (creating && !creating) {' },
  E21: { file: `${dir}/check-machine.ts`, find: 'if (create > 0) {', replace: 'if (create > 9) {' },
  E22: { file: `${dir}/check-machine.ts`, find: 'if (!reachable.has(state)) {', replace: "if (state === '') {" },
  E23: {
    file: `${dir}/check-relationships.ts`,
    find: 'if (!Object.hasOwn(entities, target)) {',
    replace: 'if (!(target in entities)) {\n    return',
  },
  E24: {
    file: `${dir}/check-effects.ts`,
    find: 'if (relationship === undefined) {',
    replace: 'if (relationship === undefined) {\n    return',
  },
  E25: {
    file: `${dir}/check-sources.ts`,
    find: 'if (other === undefined) rawTypes',
    replace: 'if (other !== event) rawTypes',
  },
  E26: {
    file: `${dir}/check-sources.ts`,
    find: 'if (mapping.from !== undefined && mapping.compute !== undefined) {',
    replace: 'if (mapping.from === null) {',
  },
  E27: { file: `${dir}/check-schemas.ts`, find: "missing('E27', path, event)", replace: 'continue' },
  E28: { file: `${dir}/check-schemas.ts`, find: "missing('E28', path, event)", replace: 'continue' },
  E29: { file: `${dir}/check-schemas.ts`, find: 'if (!required || Object', replace: 'if (required || Object' },
  E30: {
    file: `${dir}/check-schemas.ts`,
    find: "if (type === 'integer' && wanted === 'number') continue",
    replace: 'continue',
  },
  E31: { file: `${dir}/check-values.ts`, find: 'if (body[key] === undefined || fits) continue', replace: 'continue' },
  W01: {
    file: `${dir}/check-machine.ts`,
    find: 'else if (state !== starts && isDeadEnd(state, blocks)) {',
    replace: 'else if (starts === "") {',
  },
  W02: {
    file: `${dir}/check-sources.ts`,
    find: 'if (events === undefined || events.has(event)',
    replace: 'if (events !== null || events.has(event)',
  },
  W03: {
    file: `${dir}/check-expressions.ts`,
    find: 'if (!written.has(property) || known.has(property)',
    replace: 'if (written.has(property) || known.has(property)',
  },
  W04: {
    file: `${dir}/check-values.ts`,
    find: 'if (body.treatment !== undefined && body.sensitive === undefined) {',
    replace: 'if (body.treatment === null) {',
  },
  W05: {
    file: `${dir}/check-sources.ts`,
    find: "if (produced.has(event) || check.unusable(['sources'])) continue",
    replace: 'continue',
  },
  W06: { file: `${dir}/check-expressions.ts`, find: 'if (entity === undefined) continue', replace: 'continue' },
  W07: {
    file: `${dir}/check-sources.ts`,
    find: 'if (!sourced && !check.damaged(here)) {',
    replace: 'if (sourced === null) {',
  },
  W08: {
    file: `${dir}/check-expressions.ts`,
    find: 'if (known.includes(property) || ENTITY_BUILT_INS.includes(property)) return',
    replace: 'return',
  },
  W09: {
    file: `${dir}/read.ts`,
    find: "if (keys.has(key) || key === 'description' || key.startsWith('x-')) continue",
    replace: 'continue',
  },
  W10: { file: `${dir}/check-names.ts`, find: 'if (NAME.test(field)) return', replace: 'return' },
  W12: { file: `${dir}/check-machine.ts`, find: 'if (round === null) continue', replace: 'continue' },
  W13: {
    file: `${dir}/check-expressions.ts`,
    find: "if (code !== 'W13' || wallClock)",
    replace: "if (code !== 'W13')",
  },
}

const codeRules: Rule[] = Object.entries(OFF).map(([id, off]) => ({
  id,
  spec: '01 §5',
  off,
  check: () => {
    const cases = CASES.filter((one) => one.code === id)
    assert.ok(cases.length > 0)
    for (const one of cases) checkCase(one)
    assert.deepEqual(validate(fromObject(cleanSet())).issues, [])
  },
}))

/** The findings of YAML texts as `code place`. */
function found(...texts: string[]): string[] {
  const files = texts.map((text, i) => ({ kind: 'schemas' as const, name: `schemas/${i}.yaml`, text }))
  return fromYamlFiles(files).issues.map((issue) => `${issue.code} ${issue.place}`)
}

export const rules: Rule[] = [
  ...codeRules,
  {
    id: 'E32',
    spec: '01 §1.2',
    off: { file: `${dir}/load-yaml.ts`, find: 'if (earlier) {', replace: 'if (earlier) {\n        continue' },
    check: () => {
      assert.deepEqual(found('a: { fields: {} }', 'a: { fields: {} }'), ['E32 schemas/1.yaml:1:1'])
      assert.deepEqual(found('a:\n  fields: {}\n  fields: {}'), ['E32 schemas/0.yaml:3:3'])
      assert.deepEqual(found('a: [1'), ['E32 schemas/0.yaml:1:6'])
    },
  },
  {
    id: 'W11',
    spec: '01 §1.2',
    off: {
      file: 'src/adapters/files/definitions-directory.ts',
      find: "report('W11', name, `file",
      replace: "void ('W11', name, `file",
    },
    check: async () => {
      const root = mkdtempSync(join(tmpdir(), 'definitions-'))
      try {
        mkdirSync(join(root, 'entities', 'old.yaml'), { recursive: true })
        writeFileSync(join(root, 'entities', 'notes.txt'), '')
        const { files, issues } = await readDefinitionsDirectory(root)
        assert.deepEqual(files, [])
        assert.deepEqual(
          issues.map((issue) => `${issue.code} ${issue.path}`),
          ['W11 entities/notes.txt', 'W11 entities/old.yaml'],
        )
      } finally {
        rmSync(root, { recursive: true })
      }
    },
  },
]
