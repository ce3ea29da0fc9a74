/**
 * What the engine does per second, beside the bare work on the same store in the same run.
 *
 *   npm run bench -- --store sqlite --events 10000,100000,1000000
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { growthText, sizeText } from './print.ts'
import type { SizeResult } from './result.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    events: { type: 'string', default: '10000,100000' },
    json: { type: 'boolean', default: false },
  },
})
const sizes = values.events.split(',').map(Number)
if (values.store !== 'sqlite' || sizes.some((size) => !Number.isInteger(size) || size < 1000)) {
  process.stderr.write(
    'usage: npm run bench -- [--store sqlite] [--events 10000,100000] [--json]\nsizes are at least 1000\n',
  )
  process.exit(2)
}

const results: SizeResult[] = []
for (const size of sizes.sort((a, b) => a - b)) {
  process.stderr.write(`${size} records\n`)
  // Flags like --max-old-space-size hold for the process that does the work.
  const output = execFileSync(
    process.execPath,
    [...process.execArgv, join(import.meta.dirname, 'measure.ts'), String(size)],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const result = JSON.parse(output) as SizeResult
  results.push(result)
  if (!values.json) process.stdout.write(sizeText(result))
}
if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
else process.stdout.write(growthText(results))
