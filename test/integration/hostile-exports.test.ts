/** Exports to where nothing may be written: the space's own files, by whatever name; and targets nobody means. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { Defacto } from '../../src/index.ts'
import { maskedAddress } from '../../src/query/export/place.ts'
import { DefactoQuery } from '../../src/query-handle.ts'
import { Project } from '../support/cli.ts'
import { join, PEOPLE, type People } from '../support/export-space.ts'

const MAIN = at(import.meta.dirname, '../../src/cli/main.ts')
const OWN = { code: 'E_CONFIG_EXPORT_OWN' }

describe('files of the space itself', () => {
  let folder: string
  let space: People
  const database = (): string => at(folder, 'space.db')

  beforeAll(async () => {
    folder = await mkdtemp(at(tmpdir(), 'hostile-exports-'))
    mkdirSync(at(folder, 'archive'))
    space = (await Defacto.fromConfig(PEOPLE, {
      database: at(folder, 'space.db'),
      coldLedger: { url: at(folder, 'archive') },
      logLevel: 'ERROR',
      version: 'v1',
    })) as People
    await join(space, 0, 3)
    symlinkSync('space.db', at(folder, 'link.csv'))
    symlinkSync('.', at(folder, 'round'))
  })
  afterAll(async () => {
    await space.close()
    await rm(folder, { recursive: true, force: true })
  })

  it.each([
    'space.db',
    'space.db-wal',
    'space.db-shm',
    'link.csv',
    'round/space.db',
    'archive/x.csv',
    'archive/a/x.csv',
  ])('%s takes no export, in no format', async (name) => {
    const place = at(folder, name)
    const before = existsSync(place)
    const exports = [
      () => space.table('person').toCsv(place),
      () => space.table('person').toParquet(place),
      () => space.tables().toDuckdb(place),
      () => space.tables().toStore(place),
      () => space.tables().toGraphJson(place),
      () => space.tables().toNetworkx(place),
      () => space.tables().snapshot(place),
      () => space.tables().snapshot(`duckdb:///${place}`),
    ]
    for (const write of exports) {
      const refused = write()
      await expect(refused).rejects.toThrow(ConfigError)
      await expect(refused).rejects.toMatchObject(OWN)
    }
    expect(existsSync(place)).toBe(before)
    expect(await space.table('person').count()).toBe(3)
    expect(await space.exports()).toEqual([])
  })

  it('a handle that reads does not write over what it reads', async () => {
    const reading = await DefactoQuery.connect(database(), PEOPLE)
    await expect(reading.table('person').toCsv(database())).rejects.toMatchObject(OWN)
    await expect(reading.tables().toDuckdb(database())).rejects.toMatchObject(OWN)
    await reading.close()
    const history = at(folder, 'h.duckdb')
    await space.tables().toStore(history)
    const offline = await DefactoQuery.connect(history, PEOPLE)
    await expect(offline.table('person').toParquet(history)).rejects.toMatchObject(OWN)
    await offline.tables().toDuckdb(history)
    expect(await offline.table('person').count()).toBe(3)
    await offline.close()
  })

  it('files beside them are free', async () => {
    await space.table('person').toCsv(at(folder, 'space.db.csv'))
    await space.table('person').toCsv(at(folder, 'archive-2', 'x.csv'))
    expect(existsSync(at(folder, 'archive-2', 'x.csv'))).toBe(true)
  })
})

it.each([
  ['postgresql://u:hush@h:1/db?password=hush', 'postgresql://u@h:1/db'],
  ['postgresql://u:hu@sh@h/db', 'postgresql://u@h/db'],
  ['postgresql://u:hu/sh@h/db', 'postgresql://***'],
  ['postgresql://u:sh?hu@h/db', 'postgresql://***'],
  ['postgresql://h/db?password=hu@sh', 'postgresql://***'],
  ['bolt://:hush@h', 'bolt://h'],
  ['bolt://h:7687', 'bolt://h:7687'],
])('%s is shown without its secret', (address, shown) => {
  expect(maskedAddress(address)).toBe(shown)
})

it('a variable of the environment without env: is told, and never the name of a database', async () => {
  const project = new Project()
  try {
    project.put('defacto.config.yaml', `database: \${DATABASE_URL}\n`)
    project.put('entities/.keep', '')
    const { code, error } = await project.json(['table', 'customer'])
    expect({ code, error }).toMatchObject({ code: 2, error: { code: 'E_CONFIG_SECRET' } })
    expect(error?.message).toContain(`write \${env:DATABASE_URL}`)
    expect(existsSync(project.path(`\${DATABASE_URL}`))).toBe(false)
  } finally {
    project.remove()
  }
})

describe('at the command line', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
    const { code, err } = await project.run(['ingest', 'app', 'sample/app.ndjson', '--process', '-q'])
    if (code !== 0) throw new Error(err)
  })
  afterAll(() => project.remove())

  it.each([
    ['defacto.config.yaml', '--format', 'graph'],
    ['.defacto/defacto.db-wal', '--format', 'graph'],
    ['entities/customer.json'],
    ['sources', '--format', 'csv'],
    ['pipelines/deep/x.duckdb'],
  ])('%s belongs to the project, --force or not', async (...target) => {
    const before = readdirSync(project.path('.'), { recursive: true }).sort()
    for (const force of [[], ['--force']])
      expect(await project.json(['export', ...target, ...force])).toMatchObject({ code: 2, error: OWN })
    expect(readdirSync(project.path('.'), { recursive: true }).sort()).toEqual(before)
  })

  it.each([
    ['postgresql:/u:hush@host/db', "'postgresql:' lacks its slashes"],
    ['bolt:u:hush@host', "'bolt:' lacks its slashes"],
    ['customers.xlsx', 'no format ends with .xlsx'],
    ['customers.txt', 'A folder of that name is customers.txt/'],
  ])('%s is no folder anybody means', async (target, message) => {
    const { code, error } = await project.json(['export', target])
    expect({ code, error }).toMatchObject({ code: 2, error: { code: 'E_USAGE' } })
    expect(error?.message).toContain(message)
    expect(JSON.stringify(error)).not.toContain('hush')
    expect(existsSync(project.path(target))).toBe(false)
  })

  it.runIf(existsSync('/dev/full'))('a full disk behind standard output is told', async () => {
    const command = `exec "$0" "$@" > /dev/full`
    const child = spawn('sh', ['-c', command, process.execPath, MAIN, 'table', 'customer', '-o', 'csv'], {
      cwd: project.path('.'),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    const [code] = await once(child, 'close')
    expect(err).toContain('error E_STORAGE cannot write to standard output: no space is left (ENOSPC)')
    expect(code).toBe(9)
  })

  it.each(['night.2024-05-01', 'out.d/'])('%s is a folder', async (target) => {
    expect(await project.json(['export', target])).toMatchObject({ code: 0 })
    expect(readdirSync(project.path(target))).toContain('customer.parquet')
    expect(await project.json(['export', target.replace(/\/$/, '')])).toMatchObject({ code: 0 })
  })
})
