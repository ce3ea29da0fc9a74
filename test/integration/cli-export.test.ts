/** `export` at the command line: targets, formats, files in the way, stopping, and reading what was written. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ended, Project } from '../support/cli.ts'
import { onTerminal } from '../support/terminal.ts'

const project = new Project()
beforeAll(async () => {
  await project.run(['init', '-q'])
  const { code, err } = await project.run(['ingest', 'app', 'sample/app.ndjson', '--process', '-q'])
  if (code !== 0) throw new Error(err)
})
afterAll(() => project.remove())

const written = (folder: string): string[] => readdirSync(project.path(folder)).sort()

describe('export', () => {
  it('writes a folder of files, says which, and replaces its own without asking', async () => {
    const first = await project.run(['export', 'out/'])
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toMatch(/out\/customer\.parquet +\d+ +\d/)
    expect(first.out).toMatch(/\d+ rows in /)
    expect(written('out')).toContain('customer.parquet')
    expect((await project.run(['export', 'out/', '-q'])).code).toBe(0)
    const alone = await project.json(['export', 'csv', '--format', 'csv', '--types', 'customer', '--no-relationships'])
    expect(alone.data).toMatchObject([{ format: 'csv', entity_types: ['customer'], recorded: true }])
    expect(written('csv')).toEqual(['customer.csv'])
  })

  it('writes one type or one query to one file', async () => {
    expect((await project.run(['export', 'one.csv', '--types', 'customer', '-q'])).out).toBe('')
    const now = readFileSync(project.path('one.csv'), 'utf8').trimEnd().split('\r\n').length
    expect((await project.run(['export', 'all.csv', '--types', 'customer', '--history', '-q'])).code).toBe(0)
    expect(readFileSync(project.path('all.csv'), 'utf8').trimEnd().split('\r\n').length).toBeGreaterThan(now)
    const past = await project.json(['export', 'past.csv', '--types', 'customer', '--as-of', '1999-01-01'])
    expect(past.data).toMatchObject([{ rows: 0 }])
    const sql = 'select email from customer_history where email = $1 and valid_to is null'
    const query = await project.json(['export', 'q.csv', '--query', sql, '--param', 'nobody@example.com'])
    expect(query).toMatchObject({ ok: true, data: [{ rows: 0, format: 'csv' }] })
    const wrong = await project.run(['export', 'w.csv', '--query', 'select emial from customer_history'])
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain('1 | select emial from customer_history\n           ^')
    expect(existsSync(project.path('w.csv'))).toBe(false)
  })

  it('leaves files of others alone unless it is forced', async () => {
    project.put('mine.csv', 'precious')
    const refused = await project.json(['export', 'mine.csv', '--types', 'customer'])
    expect(refused).toMatchObject({ code: 2, error: { code: 'E_CONFIG_EXPORT_EXISTS' } })
    expect(readFileSync(project.path('mine.csv'), 'utf8')).toBe('precious')
    expect((await project.run(['export', 'mine.csv', '--types', 'customer', '--force', '-q'])).code).toBe(0)
    expect(readFileSync(project.path('mine.csv'), 'utf8')).toMatch(/^customer_id,/)
    const own = ['export', '.defacto/defacto.db', '--format', 'snapshot', '--force']
    expect(await project.json(own)).toMatchObject({ code: 2, error: { code: 'E_USAGE' } })
  })

  it('lists what was exported', async () => {
    const { data } = await project.json(['export', '--list'])
    const paths = (data as { path: string; rows: number | null }[]).map(({ path }) => path)
    expect(paths).toContain(project.path('mine.csv'))
    expect(paths).toContain(project.path('out', 'customer.parquet'))
    expect((await project.run(['export', '--list'])).out).toContain('mine.csv')
  })

  it.each([
    ['a.duckdb', [], 'duckdb'],
    ['h.duckdb', ['--format', 'store'], 'store'],
    ['s.db', [], 'snapshot'],
    ['sqlite:///t.sqlite', [], 'snapshot'],
    ['duckdb:///d.duckdb', [], 'snapshot'],
    ['g.json', [], 'graph'],
    ['n.json', ['--format', 'networkx'], 'networkx'],
  ])('%s %j is the format %s', async (target, options, format) => {
    expect((await project.json(['export', target, ...options])).data).toMatchObject([{ format, recorded: true }])
    expect(existsSync(project.path(target.replace(/^\w+:\/\/\//, '')))).toBe(true)
  })

  it.each([
    ['x.csv', '--format', 'parquet'],
    ['x.parquet', '--query', 'select 1 as n', '--types', 'customer'],
    ['folder', '--query', 'select 1 as n'],
    ['folder', '--as-of', '2024-01-01'],
    ['folder', '--format', 'neo4j'],
    ['folder/', '--format', 'duckdb'],
    ['x.db', '--history'],
    ['x.duckdb', '--format', 'store', '--types', 'customer'],
    ['x.csv', '--types', 'customer', '--param', '1'],
    ['ftp://host/x'],
    [],
  ])('%s %s %s is refused, and nothing is written', async (...args) => {
    const { code, error } = await project.json(['export', ...args])
    expect(code).toBe(2)
    expect(error?.code).toBe('E_USAGE')
    expect(existsSync(project.path(args[0] ?? 'none'))).toBe(false)
  })

  it('names what it does not know, and places it cannot write to', async () => {
    expect(await project.json(['export', 'x.csv', '--types', 'custmer'])).toMatchObject({ code: 7 })
    project.put('blocked', 'a file')
    const blocked = await project.json(['export', 'blocked/x.csv', '--types', 'customer'])
    expect(blocked.code).not.toBe(0)
    expect(blocked.error?.code).toBe('E_STORAGE')
    const unreachable = await project.json(['export', 'postgresql://u:hush@127.0.0.1:1/none'])
    expect(unreachable.ok).toBe(false)
    expect(JSON.stringify(unreachable)).not.toContain('hush')
  })

  it.each(['csv', 'parquet'])('Ctrl-C leaves no half %s file', async (format) => {
    const tables = Array.from({ length: 12 }, (_, i) => `customer_history t${i}`).join(', ')
    project.put('half/.keep', '')
    const child = project.start(['export', `half/x.${format}`, '--query', `select t0.email from ${tables}`])
    const end = ended(child)
    await vi.waitUntil(() => written('half').length > 1, { timeout: 60_000, interval: 20 })
    child.kill('SIGINT')
    expect((await end).code).toBe(130)
    expect(written('half')).toEqual(['.keep'])
    expect((await project.run(['export', '--list', '-o', 'json'])).out).not.toContain('half')
  })

  it('shows a bar on a terminal that is gone in the end', () => {
    const { code, shown, lines } = onTerminal(project, ['export', 'bar/', '--no-color'], { columns: 100 })
    expect(code).toBe(0)
    expect(lines.at(-1)).toMatch(/\d+ rows in /)
    expect(shown).toContain('customer [')
  })
})

describe('--connect', () => {
  it('reads an export of histories without a space', async () => {
    const stranger = new Project()
    try {
      const url = `duckdb:///${project.path('h.duckdb')}`
      const of = async (reader: Project, args: string[]): Promise<unknown> =>
        (await reader.json([...args, ...(reader === stranger ? ['--connect', url] : [])])).data
      for (const args of [
        ['query', 'select count(*) as n from customer_history'],
        ['table', 'customer', '--columns', 'customer_id,email', '--order-by', 'customer_id'],
        ['history', 'customer', '--columns', 'customer_id,valid_from', '--order-by', 'customer_id,valid_from'],
        ['graph', 'components'],
      ]) {
        expect(await of(stranger, args)).toEqual(await of(project, args))
      }
      const out = await stranger.json(['export', 'x.csv', '--types', 'customer', '--connect', url])
      expect(out.data).toMatchObject([{ recorded: false }])
      expect(await stranger.json(['table', 'customer', '--connect', 'nosuch://x'])).toMatchObject({ code: 2 })
    } finally {
      stranger.remove()
    }
  })
})
