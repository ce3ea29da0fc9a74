import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('the mutation harness tells caught, surviving and meaningless mutations apart', async () => {
  const args = [join(import.meta.dirname, 'mutants.ts'), '--dir', 'test/rules/fixtures', '--patience', '3000']
  const { code, out } = await new Promise<{ code: number; out: string }>((resolve) => {
    const child = execFile(process.execPath, args, (_error, stdout) => {
      resolve({ code: child.exitCode ?? -1, out: stdout })
    })
  })
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { summary } = lines.pop()
  expect(Object.fromEntries(lines.map(({ id, outcome }) => [id, outcome]))).toEqual({
    caught: 'caught',
    survived: 'survived',
    hangs: 'caught',
    ambiguous: 'invalid',
    absent: 'invalid',
    unparsable: 'invalid',
    'unknown name': 'invalid',
    'fails already': 'invalid',
  })
  expect(code).toBe(1)
  expect(summary).toMatchObject({ rules: 8, caught: 2, survived: 1, invalid: 5 })
})
