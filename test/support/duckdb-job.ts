/** A process that has a DuckDB file open, or exports to one, and stops half-way until a line comes in (`duckdb-process.ts`). */
import { createInterface } from 'node:readline'
import { writeTables } from '../../src/adapters/duckdb/history-file.ts'
import { openDuckdb } from '../../src/adapters/duckdb/instance.ts'
import type { ExportTable } from '../../src/ports/exports.ts'

const [job, path = ''] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

async function* slowly(): AsyncGenerator<readonly (readonly unknown[])[]> {
  yield Array.from({ length: 5000 }, (_, i) => [`first ${i}`])
  say('half-way')
  await lines.next()
  yield [['last']]
}

async function hold(readOnly: boolean): Promise<void> {
  const connection = await openDuckdb(path, { readOnly })
  if (!readOnly) await connection.run('create table of_a_process as select 1 as x')
  say('half-way')
  await lines.next()
  const result = await connection.runAndReadAll(
    `select count(*)::integer from ${readOnly ? 'customer' : 'of_a_process'}`,
  )
  say(String(result.getRows()[0]?.[0]))
  connection.closeSync()
}

const table: ExportTable = { name: 'slow', columns: [{ name: 'text', type: 'string' }], chunks: slowly() }
try {
  if (job === 'export') {
    await writeTables(path, { format: 'duckdb' }, [table])
    say('done')
  } else await hold(job === 'read')
} catch (error) {
  say(`${(error as Error).name}: ${(error as Error).message}`)
}
process.exit(0)
