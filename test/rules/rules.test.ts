import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REQUIRED_IDS } from './ids.ts'
import type { Rule } from './rule.ts'

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.rules.ts'))
const rules: Rule[] = []
for (const file of files) rules.push(...((await import(`./${file}`)) as { rules: Rule[] }).rules)

test('every required id has a rule', () => {
  const known = new Set(rules.map((rule) => rule.id))
  expect(REQUIRED_IDS.filter((id) => !known.has(id))).toEqual([])
})

test.each(rules.map((rule) => [rule.id, rule] as const))('%s holds', async (_id, rule) => {
  await rule.check()
})

test('every check notices that its rule is switched off', { timeout: 300_000 }, async () => {
  const lines = await new Promise<string[]>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'mutants.ts'), '--quiet'], (_error, out) => {
      resolve(out.trim().split('\n'))
    })
  })
  const summary = JSON.parse(lines.pop() ?? '{}').summary
  expect(lines).toEqual([])
  expect(summary).toMatchObject({ rules: rules.length, caught: rules.length })
})
