/**
 * What the engine does per second, beside the bare work on the same store in the same run.
 *
 *   npm run bench -- --store postgres --events 10000,100000,1000000
 *   npm run bench -- --store postgres --shards 4 --events 200000
 *   npm run bench -- --tiered --events 100000,1000000
 *   npm run bench -- --queries --store postgres --events 1000000
 *   npm run bench -- --privacy --store postgres --events 1000000
 *   npm run bench -- --orchestration --events 1000000
 *   npm run bench -- --orchestration --parts empty,recovery
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type OrchestrationResult, orchestrationText, PARTS } from './orchestration-result.ts'
import { growthText, sizeText } from './print.ts'
import { type PrivacyResult, privacyText } from './privacy-result.ts'
import { type QueriesResult, queriesText } from './queries-result.ts'
import type { SizeResult } from './result.ts'
import { type ShardsResult, shardsText } from './shards-result.ts'
import { STORES } from './store.ts'
import { type TieredResult, tieredGrowthText, tieredText } from './tiered-result.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    events: { type: 'string' },
    shards: { type: 'string' },
    tiered: { type: 'boolean', default: false },
    queries: { type: 'boolean', default: false },
    privacy: { type: 'boolean', default: false },
    orchestration: { type: 'boolean', default: false },
    parts: { type: 'string', default: PARTS.join(',') },
    json: { type: 'boolean', default: false },
  },
})
const { store, shards, tiered, queries, privacy, orchestration, json } = values
const parts = values.parts.split(',')
const usual = shards !== undefined ? '200000' : orchestration || queries || privacy ? '100000' : '10000,100000'
const sizes = (values.events ?? usual).split(',').map(Number)
const isKnown = STORES.some((name) => name === store) && sizes.every((size) => Number.isInteger(size) && size >= 1000)
const isDivided = shards === undefined || (store === 'postgres' && Number(shards) > 1 && sizes.length === 1 && !tiered)
const areParts =
  parts.every((part) => PARTS.some((name) => name === part)) &&
  (!(orchestration || queries || privacy) || sizes.length === 1)
if (!isKnown || !isDivided || !areParts) {
  process.stderr.write(
    `usage: npm run bench -- [--store ${STORES.join('|')}] [--events 10000,100000] [--json]
       npm run bench -- --store postgres --shards 4 [--events 200000] [--json]
       npm run bench -- --tiered [--store ${STORES.join('|')}] [--events 10000,100000] [--json]
       npm run bench -- --queries [--store ${STORES.join('|')}] [--events 100000] [--json]
       npm run bench -- --privacy [--store ${STORES.join('|')}] [--events 100000] [--json]
       npm run bench -- --orchestration [--events 100000] [--parts ${PARTS.join(',')}] [--json]
sizes are at least 1000, shards at least 2\n`,
  )
  process.exit(2)
}

if (orchestration) {
  const result = measured<OrchestrationResult>('orchestration.ts', [String(sizes[0]), parts.join(',')])
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : orchestrationText(result))
} else if (queries) {
  const result = measured<QueriesResult>('queries.ts', [store, String(sizes[0])])
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : queriesText(result))
} else if (privacy) {
  const result = measured<PrivacyResult>('privacy.ts', [store, String(sizes[0])])
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : privacyText(result))
} else if (tiered) compareSizes<TieredResult>('tiered.ts', tieredText, tieredGrowthText)
else if (shards === undefined) compareSizes<SizeResult>('measure.ts', sizeText, growthText)
else {
  const result = measured<ShardsResult>('shards.ts', [String(sizes[0]), shards])
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : shardsText(result))
}

function compareSizes<T>(program: string, text: (result: T) => string, growth: (results: T[]) => string): void {
  const results: T[] = []
  for (const size of sizes.sort((a, b) => a - b)) {
    process.stderr.write(`${size} records\n`)
    const result = measured<T>(program, [store, String(size)])
    results.push(result)
    if (!json) process.stdout.write(text(result))
  }
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : growth(results))
}

/** What a program of this folder prints. Flags like --max-old-space-size hold for the process that does the work. */
function measured<T>(program: string, args: readonly string[]): T {
  const output = execFileSync(process.execPath, [...process.execArgv, join(import.meta.dirname, program), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as T
}
