/** Exports in a process of its own and stands still at the first rows, to be killed there. */
import { writeSync } from 'node:fs'
import { Defacto } from '../../src/index.ts'
import { PEOPLE } from './export-space.ts'

const [database, format, path] = process.argv.slice(2) as [string, 'toParquet' | 'toCsv' | 'toDuckdb', string]
const space = await Defacto.fromConfig(PEOPLE, { database, logLevel: 'ERROR', catchUp: false })
const onProgress = (): void => {
  writeSync(1, 'writing\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
if (format === 'toDuckdb') await space.tables().toDuckdb(path, { onProgress })
else await space.table('person')[format](path, { onProgress })
