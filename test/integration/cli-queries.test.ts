/** Reading at the command line: tables on terminals and in pipes, SQL, timelines, explanations. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ended, Project } from '../support/cli.ts'
import { onTerminal } from '../support/terminal.ts'

const people = (count: number): string =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      event: 'sign_up',
      at: `2024-01-01T00:${String(Math.floor(i / 60) % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}Z`,
      user: { email: `user${i}@example.com`, name: i === 0 ? '日本語\u001b[2J' : `User ${i}` },
    }),
  ).join('\n')

const project = new Project()
beforeAll(async () => {
  project.put('entities/customer.yaml', CUSTOMER)
  project.put('sources/app.yaml', SOURCE)
  const { code, err } = await project.run(['ingest', 'app', '-', '--process'], { input: people(300) })
  if (code !== 0) throw new Error(err)
})
afterAll(() => project.remove())

const CUSTOMER = `customer:
  starts: lead
  identity: { email: { match: case_insensitive } }
  properties:
    email: { type: string }
    name: { type: string }
    visits: { type: integer, default: 0 }
  states:
    lead:
      when:
        sign_up:
          effects:
            - create
            - { set: { property: email, from: event.email } }
            - { set: { property: name, from: event.name } }
            - { increment: { property: visits, by: 1 } }
`
const SOURCE = `app:
  event_type: event
  timestamp: at
  events:
    sign_up:
      mappings:
        email: { from: user.email }
        name: { from: user.name }
      hints: { customer: [email] }
`

describe('on a terminal', () => {
  it('a table fits, says how many rows there are and what it hides', () => {
    const { code, shown, lines } = onTerminal(project, ['table', 'customer', '--limit', '3', '--no-color'])
    expect(code).toBe(0)
    // The id can be copied; what has no room beside it is named below.
    expect(lines[0]).toMatch(/^customer_id {27}customer_state +email/)
    expect(lines.every((line) => line.length <= 80)).toBe(true)
    expect(shown).toContain('first 3 rows; there are more: --limit 0 shows all')
    expect(shown).toMatch(/\d columns not shown \(--columns, --records\): /)
    // The answer fits: nobody asked for a pager.
    expect(shown).not.toContain('\u001b[?1h')
  })

  it('text of users is harmless, and its width is counted right', () => {
    const where = JSON.stringify({ email: 'user0@example.com' })
    const args = ['table', 'customer', '--where', where, '--columns', 'name,email', '--no-color']
    const { lines } = onTerminal(project, args)
    expect(lines[0]).toBe('name             email')
    expect(lines[1]).toBe('日本語\\u001b[2J  user0@example.com')
    expect(lines[2]).toBe('1 row')
  })

  it('one row that is too wide, or --records, has a line for every value', () => {
    const where = JSON.stringify({ email: 'user1@example.com' })
    const single = onTerminal(project, ['table', 'customer', '--where', where, '--no-color'])
    expect(single.shown).toMatch(/email +user1@example\.com\r\n/)
    const records = onTerminal(project, ['table', 'customer', '-x', '--limit', '2', '--no-color', '--no-pager'])
    expect(records.lines[0]).toBe('row 1')
    expect(records.lines).toContain('row 2')
  })

  it('long output goes through the pager, which may be left early', () => {
    const args = ['table', 'customer', '--limit', '0', '--no-color']
    const paged = onTerminal(project, args, { env: { PAGER: 'head -n 2; echo paged' } })
    expect(paged).toMatchObject({ code: 0 })
    expect(paged.lines).toHaveLength(3)
    expect(paged.lines[2]).toBe('paged')
    for (const env of [{ PAGER: 'cat' }, { PAGER: '' }, { PAGER: 'no-such-pager -R' }]) {
      expect(onTerminal(project, args, { env }).lines).toHaveLength(303)
    }
    expect(onTerminal(project, [...args, '--no-pager'], { env: { PAGER: 'false' } }).lines).toHaveLength(303)
  })

  it('Ctrl-C in the pager is a key of the pager', () => {
    project.put('pager.py', PAGER)
    const { code, shown } = onTerminal(project, ['table', 'customer', '--limit', '0'], {
      env: { PAGER: 'python3 pager.py' },
      keys: [
        ['ready', '\u0003'],
        ['caught', 'q\n'],
      ],
    })
    expect(shown).toContain('left')
    expect(code).toBe(0)
  })
})

// The key may come while the text before it is still being written: no buffers.
const PAGER = `import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"caught\\n"))
sys.stdin.readline()
os.write(1, b"ready\\n")
open("/dev/tty").readline()
os.write(1, b"left\\n")
`

describe('in a pipe', () => {
  it('there is no pager, no footer and nothing cut, in any format', async () => {
    const env = { PAGER: 'false' }
    expect((await project.run(['table', 'customer'], { env })).out.trimEnd().split('\n')).toHaveLength(301)
    const csv = (await project.run(['table', 'customer', '-o', 'csv', '--columns', 'email,visits,valid_to'])).out
    expect(csv.split('\r\n')[0]).toBe('email,visits,valid_to')
    expect(csv).toContain('user7@example.com,1,\r\n')
    const big = ['query', 'select 9007199254740993 as n, valid_from as t from customer_history limit 1']
    expect((await project.run([...big, '-o', 'json'])).out).toMatch(
      /"n":9007199254740993,"t":"2024-01-01T00:00:\d\d\+00:00"/,
    )
    expect((await project.run([...big, '-o', 'csv'])).out).toMatch(/9007199254740993,2024-01-01T00:00:\d\d\+00:00/)
  })

  it('rows without end arrive at once, and a reader that leaves ends them', async () => {
    const sql = 'select a.email from customer_history a, customer_history b, customer_history c, customer_history d'
    for (const format of ['jsonl', 'csv']) {
      const child = project.start(['query', sql, '-o', format])
      const end = ended(child)
      child.stdout.once('data', () => child.stdout.destroy())
      expect(await end).toMatchObject({ code: 0, err: '' })
    }
  })

  it('Ctrl-C is heard between rows of a store that answers without a pause', async () => {
    const sql = 'select a.email from customer_history a, customer_history b, customer_history c, customer_history d'
    const child = project.start(['query', sql, '-o', 'jsonl'])
    const end = ended(child)
    child.stdout.once('data', () => child.kill('SIGINT'))
    expect((await end).code).toBe(130)
  })
})

describe('query', () => {
  it('shows every problem in its line', async () => {
    const sql = 'select emial\nfrom customer_history\nwhere nosuch > 1'
    const { code, err } = await project.run(['query', sql])
    expect(code).toBe(2)
    expect(err).toContain('2 problems in the SQL\n')
    expect(err).toContain('did you mean "email"?\n1 | select emial\n           ^\n')
    expect(err).toContain('\n3 | where nosuch > 1\n          ^\n')
    expect((await project.json(['query', sql])).error).toMatchObject({ code: 'E_QUERY_SQL' })
  })

  it('reads SQL of files, with values and limits', async () => {
    project.put('report.sql', '\ufeffselect count(*) as n from customer_history where visits >= :least;')
    expect((await project.json(['query', '-f', 'report.sql', '--param', 'least=1'])).data).toEqual([{ n: 300 }])
    const all = ['query', 'select email from customer_history']
    expect(await project.json([...all, '--max-rows', '10'])).toMatchObject({
      code: 2,
      error: { code: 'E_QUERY_MAX_ROWS' },
    })
    expect((await project.json([...all, '--max-rows', '1000'])).data).toHaveLength(300)
    expect(await project.json(['query', '-f', 'none.sql'])).toMatchObject({ code: 7 })
    expect(await project.json(['query'])).toMatchObject({ code: 2, error: { code: 'E_USAGE' } })
    expect(await project.json(['query', 'select 1', '-f', 'report.sql'])).toMatchObject({ code: 2 })
  })
})

describe('one entity', () => {
  it('is named by its id or by an identity value, in any case of letters', async () => {
    const lower = await project.run(['timeline', 'user3@example.com'])
    expect(lower.out).toMatch(
      /^customer \S+, 1 change, now lead\n2024-01-01T00:00:03\+00:00 {2}sign_up\n {4}Entity created/,
    )
    expect((await project.run(['timeline', 'USER3@Example.com'])).out).toBe(lower.out)
    expect(await project.json(['timeline', 'nobody@example.com'])).toMatchObject({ code: 7 })
  })

  it('has values that can be explained', async () => {
    const { out, code } = await project.run(['explain', 'user3@example.com', 'name'])
    expect(code).toBe(0)
    expect(out).toMatch(/^customer\.name = User 3\n/)
    expect(out).toMatch(/\n {2}event +sign_up of 2024-01-01T00:00:03\+00:00, from app\n/)
    expect(out).toMatch(/\n {2}made from +event\.name = User 3 ← user\.name/)
    const before = await project.json(['explain', 'user3@example.com', 'name', '--as-of', '2023-01-01'])
    expect(before.data).toMatchObject({ origin: 'not_created', value: null, valid_from: null })
    expect(await project.json(['explain', 'user3@example.com', 'nmae'])).toMatchObject({ code: 7 })
    expect(await project.json(['explain', 'user3@example.com'])).toMatchObject({ code: 7 })
    expect(await project.json(['explain', 'E05', '--as-of', '2024-01-01'])).toMatchObject({ code: 2 })
  })
})
