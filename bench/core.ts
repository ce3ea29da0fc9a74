/** The pure core in a process of its own: it holds its records in memory, which must not count for the engine. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureCore } from './memory.ts'
import { generateRecords } from './records.ts'

const lines = Math.min(Number(process.argv[2]), 100_000)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-bench-core-'))
try {
  const path = join(scratch, 'records')
  generateRecords(path, lines, 1)
  const definitions = join(import.meta.dirname, '..', 'definitions')
  process.stdout.write(JSON.stringify(await measureCore(definitions, path, lines)))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
