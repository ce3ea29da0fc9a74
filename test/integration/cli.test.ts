/** The command line as a user types it (spec 10 §7): every command on a real project. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Project } from '../support/cli.ts'

const LINES = (text: string): string[] => text.trimEnd().split('\n')

describe('quickstart', () => {
  const project = new Project()
  afterAll(() => project.remove())

  it('init, check, ingest, table, history: the first minutes', async () => {
    const made = await project.run(['init', '--template', 'quickstart'])
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(made.out).toContain('entities/customer.yaml')
    expect(readFileSync(project.path('entities/customer.yaml'), 'utf8').split('\n')[0]).toBe(
      '# yaml-language-server: $schema=../.defacto/schema/entities.json',
    )
    const settings = JSON.parse(readFileSync(project.path('.vscode/settings.json'), 'utf8')) as Record<string, object>
    expect(Object.keys(settings['yaml.schemas'] as object)).toContain('./.defacto/schema/entities.json')
    expect(JSON.parse(readFileSync(project.path('.defacto/schema/entities.json'), 'utf8'))).toMatchObject({
      type: 'object',
    })

    expect((await project.run(['check', '--strict'])).code).toBe(0)
    const ingest = await project.json(['ingest', 'app', 'sample/app.ndjson', '--process'])
    expect(ingest).toMatchObject({
      ok: true,
      code: 0,
      data: { read: 4, ingested: 4, duplicates: 0, failed: 0, build: { entities_created: 2 } },
    })
    const again = await project.json(['ingest', 'app', 'sample/app.ndjson', '--process'])
    expect(again.data).toMatchObject({ ingested: 0, duplicates: 4 })

    const table = await project.json([
      'table',
      'customer',
      '--order-by',
      'email',
      '--columns',
      'customer_state,email,plan',
    ])
    expect(table.data).toEqual([
      { customer_state: 'active', email: 'alice@example.com', plan: 'pro' },
      { customer_state: 'churned', email: 'bob@example.com', plan: 'free' },
    ])
    const asOf = await project.json([
      'history',
      'customer',
      '--as-of',
      '2024-01-10',
      '--columns',
      'customer_state,email,plan',
      '--order-by',
      'email',
    ])
    expect(asOf.data).toEqual([
      { customer_state: 'active', email: 'alice@example.com', plan: 'free' },
      { customer_state: 'active', email: 'bob@example.com', plan: 'free' },
    ])
  })

  it('never overwrites without being told, and keeps files of the repository', async () => {
    project.put('entities/customer.yaml', 'mine: {}\n')
    project.put('.gitignore', 'mine\n')
    const refused = await project.run(['init'])
    expect(refused.code).toBe(8)
    expect(refused.err).toContain('E_CONFIRMATION')
    expect(readFileSync(project.path('entities/customer.yaml'), 'utf8')).toBe('mine: {}\n')
    expect((await project.run(['init', '--yes'])).code).toBe(0)
    expect(readFileSync(project.path('entities/customer.yaml'), 'utf8')).toContain('starts: lead')
    expect(readFileSync(project.path('.gitignore'), 'utf8')).toBe('mine\n')
  })
})

describe.each(['showcase', 'compliance'])('template %s', (template) => {
  it('is valid and its own commands work in order', async () => {
    const project = new Project()
    try {
      const made = (await project.json(['init', 'inner', '--template', template])) as unknown as {
        data: { next: string[] }
      }
      const [enter, ...commands] = made.data.next
      expect(enter).toBe('cd inner')
      for (const line of commands) {
        const [program, ...args] = line.split(' ')
        expect(program).toBe('defacto')
        expect(await project.run(args, { cwd: project.path('inner') }), line).toMatchObject({ code: 0 })
      }
    } finally {
      project.remove()
    }
  })
})

describe('a project with two sources', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '--template', 'showcase', '-q'])
    await project.run(['ingest', 'app', 'sample/1-app.ndjson', '--process'])
    await project.run(['ingest', 'billing', 'sample/2-billing.ndjson', '--process'])
    await project.run(['ingest', 'app', 'sample/3-app.ndjson', '--process'])
  })
  afterAll(() => project.remove())

  it('build says its mode before and after', async () => {
    expect((await project.json(['build', '--dry-run'])).data).toMatchObject({ mode: 'SKIP', pending_events: 0 })
    expect((await project.json(['build', '--full', '--dry-run'])).data).toMatchObject({ mode: 'FULL' })
    expect((await project.json(['build', '--full'])).data).toMatchObject({ mode: 'FULL', events_processed: 8 })
    const text = await project.run(['build'])
    expect(text.out).toMatch(/^SKIP build in /)
  })

  it('tick shows what it would do and does it once', async () => {
    const early = ['tick', '--as-of', '2024-03-01']
    expect(await project.json([...early, '--dry-run'])).toMatchObject({ ok: true })
    expect((await project.json(['tick'])).data).toMatchObject({ effects_produced: 0, failures: 0 })
  })

  it('timeline takes an id or an identity value', async () => {
    const byValue = (await project.json(['timeline', 'ana@example.com'])) as unknown as {
      data: { entity_id: string; entries: { effects: string[] }[] }
    }
    expect(byValue.data.entries[0]?.effects[0]).toBe('Entity created')
    expect(byValue.data.entries.flatMap((entry) => entry.effects)).toContainEqual(expect.stringMatching(/^Merged: /))
    const byId = await project.json(['timeline', byValue.data.entity_id])
    expect(byId.data).toEqual(byValue.data)
    expect(await project.json(['timeline', 'nobody'])).toMatchObject({
      ok: false,
      code: 7,
      error: { code: 'E_NOT_FOUND' },
    })
  })

  it('query reads with SQL and parameters, from the command line or standard input', async () => {
    const sql = 'select email, visits from customer_history where valid_to is null and visits >= :least'
    const rows = [{ email: 'Ana@Example.com', visits: 2 }]
    expect((await project.json(['query', sql, '--param', 'least=1'])).data).toEqual(rows)
    expect((await project.json(['query', '-', '--param', 'least=1'], { input: sql })).data).toEqual(rows)
    expect(await project.json(['query', 'select nothing from customer_history'])).toMatchObject({ ok: false, code: 2 })
    expect(await project.json(['query', 'delete from customer_history'])).toMatchObject({ ok: false, code: 2 })
  })

  it('every format carries the same rows', async () => {
    const args = ['table', 'customer', '--columns', 'email,account,visits', '--order-by', 'visits']
    const json = (await project.json(args)).data as unknown as object[]
    expect(json).toEqual([
      { email: 'ben@example.com', account: null, visits: 0 },
      { email: 'Ana@Example.com', account: '77-1', visits: 2 },
    ])
    const jsonl = await project.run([...args, '-o', 'jsonl'])
    expect(LINES(jsonl.out).map((line) => JSON.parse(line) as object)).toEqual(json)
    const csv = await project.run(['-o', 'csv', ...args])
    expect(csv.out).toBe('email,account,visits\r\nben@example.com,,0\r\nAna@Example.com,77-1,2\r\n')
    const text = await project.run(args)
    expect(LINES(text.out)).toEqual([
      'email            account  visits',
      'ben@example.com  —             0',
      'Ana@Example.com  77-1          2',
    ])
  })

  it('conditions, limits, relationships, versions', async () => {
    expect(
      (await project.json(['table', 'customer', '--where', '{"visits":{"gt":1}}', '--columns', 'email'])).data,
    ).toEqual([{ email: 'Ana@Example.com' }])
    expect((await project.json(['history', 'customer', '--limit', '1'])).data).toHaveLength(1)
    expect((await project.json(['table', 'subscribes'])).data).toHaveLength(1)
    expect((await project.json(['table', 'relationships'])).data).toHaveLength(1)
    expect(await project.json(['table', 'customer', '--version', 'v9'])).toMatchObject({ code: 7 })
    expect(await project.json(['table', 'custmer'])).toMatchObject({ code: 7 })
    expect(await project.json(['table', 'customer', '--where', '{"emial":"x"}'])).toMatchObject({ code: 2 })
    expect(await project.json(['table', 'customer', '--where', 'plan=pro'])).toMatchObject({
      code: 2,
      error: { code: 'E_USAGE' },
    })
  })

  it('looking does not change the active version, building does', async () => {
    const path = project.path('entities/customer.yaml')
    const before = readFileSync(path, 'utf8')
    writeFileSync(path, before.replace("'key'", "'gold'"))
    const segments = ['query', 'select distinct segment from customer_history where valid_to is null order by segment']
    expect((await project.json(segments)).data).toEqual([{ segment: 'key' }, { segment: 'standard' }])
    expect((await project.json(['build'])).data).toMatchObject({ mode: 'FULL' })
    expect((await project.json(segments)).data).toEqual([{ segment: 'gold' }, { segment: 'standard' }])
    const doctor = (await project.json(['doctor'])) as unknown as {
      data: { checks: { check: string; data: { active?: boolean } }[] }
    }
    expect(
      doctor.data.checks
        .filter(({ check }) => check === 'version')
        .map(({ data }) => data.active)
        .sort(),
    ).toEqual([false, true])
    writeFileSync(path, before)
  })

  it('graph draws states, lineage and assets', async () => {
    const states = await project.run(['graph', '--entity', 'subscription'])
    expect(states.out).toMatch(/^stateDiagram-v2\n/)
    expect(states.out).toContain('inactivity 45d')
    const lineage = (await project.json(['graph', '--what', 'lineage'])) as unknown as {
      data: { edges: { from: string; to: string }[] }
    }
    const edges = lineage.data.edges.map(({ from, to }) => `${from} → ${to}`)
    expect(edges).toContain('source/billing/amount → event/invoice_paid/amount')
    expect(edges).toContain('event/invoice_paid/amount → property/customer/spent')
    expect(edges).toContain('property/customer/spent → property/customer/segment')
    const dot = await project.run(['graph', '--what', 'assets', '--format', 'dot'])
    expect(dot.out).toContain('"source/app" -> "ledger"')
    expect(await project.json(['graph', '--entity', 'nobody'])).toMatchObject({ code: 7 })
  })

  it('doctor looks without leaving anything behind', async () => {
    const { data, ok } = (await project.json(['doctor'])) as unknown as {
      ok: boolean
      data: { healthy: boolean; checks: { check: string; state: string }[] }
    }
    expect(ok).toBe(true)
    expect(data.healthy).toBe(true)
    expect(new Set(data.checks.map(({ check }) => check))).toEqual(
      new Set([
        'node',
        'configuration',
        'disk',
        'database',
        'migrations',
        'version',
        'locks',
        'dead letters',
        'runs',
        'erasures',
      ]),
    )
    expect(data.checks.find(({ check }) => check === 'dead letters')).toMatchObject({ state: 'warn' })
  })
})

describe('bad records', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())
  const signup = (email: unknown): string =>
    `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email })}\n`

  it('are dead letters with their place; the rest goes in; retry and drop settle them', async () => {
    const bytes = Buffer.concat([
      Buffer.from(signup('a@x.org')),
      Buffer.from('{"type": "signup"\n'),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from(
        '{"type":"upgrade","timestamp":"2024-02-01T00:00:00Z","email":"a@x.org","plan":"gold"}\n{"type":"nonsense","timestamp":"2024-02-01T00:00:00Z"}\n',
      ),
      Buffer.from(signup('b@x.org')),
    ])
    project.put('in/mixed.ndjson.gz', gzipSync(bytes))
    const dry = await project.json(['ingest', 'app', 'in/mixed.ndjson.gz', '--dry-run'])
    expect(dry.data).toMatchObject({ dry_run: true, read: 6, ingested: 3, failed: 3, dead_letters: null })
    expect(existsSync(project.path('.defacto/dead-letters.jsonl'))).toBe(false)
    expect(existsSync(project.path('.defacto/defacto.db'))).toBe(false)

    const done = await project.json(['ingest', 'app', 'in/mixed.ndjson.gz'])
    expect(done).toMatchObject({ code: 0, data: { read: 6, ingested: 3, failed: 3 } })
    const letters = LINES(readFileSync(project.path('.defacto/dead-letters.jsonl'), 'utf8')).map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    )
    expect(letters.map(({ origin }) => origin)).toEqual([
      { part: 'in/mixed.ndjson.gz', line: 2, byte: signup('a@x.org').length },
      { part: 'in/mixed.ndjson.gz', line: 3, byte: signup('a@x.org').length + 18 },
      { part: 'in/mixed.ndjson.gz', line: 5, byte: expect.any(Number) },
    ])
    expect(letters.map(({ error }) => error)).toEqual([
      'record is not valid JSON',
      'record is not valid UTF-8',
      expect.any(String),
    ])
    expect(letters[0]).toMatchObject({ stage: 'normalization', source: 'app', raw: '{"type": "signup"' })

    const list = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string; place: string }[] }
    expect(list.data.map(({ place }) => place)).toEqual([
      'in/mixed.ndjson.gz:2',
      'in/mixed.ndjson.gz:3',
      'in/mixed.ndjson.gz:5',
    ])
    const third = list.data[2]?.id as string
    expect((await project.json(['dlq', 'show', third.slice(0, 8)])).data).toMatchObject({
      id: third,
      status: 'open',
      raw: { type: 'nonsense' },
    })

    // Mended definitions: the unknown event type becomes a known one.
    const source = readFileSync(project.path('sources/app.yaml'), 'utf8')
    writeFileSync(
      project.path('sources/app.yaml'),
      `${source}    greeted:\n      raw_type: nonsense\n      mappings: { email: { from: email } }\n      hints: { customer: [email] }\n`,
    )
    const retry = await project.json(['dlq', 'retry'])
    expect(retry).toMatchObject({ code: 0, data: { retried: 1, ingested: 1, failed: 0, skipped: 2 } })
    expect((await project.json(['dlq', 'list'])).data).toHaveLength(2)
    expect((await project.json(['dlq', 'list', '--status', 'retried'])).data).toMatchObject([{ id: third }])

    expect(await project.json(['dlq', 'drop', '--yes'])).toMatchObject({
      code: 2,
      error: { message: 'dlq drop needs --reason' },
    })
    expect(await project.json(['dlq', 'drop', '--reason', 'unreadable'])).toMatchObject({ code: 8 })
    expect((await project.json(['dlq', 'drop', '--reason', 'unreadable', '--yes'])).data).toEqual({ dropped: 2 })
    expect((await project.json(['dlq', 'list'])).data).toEqual([])
    expect(await project.json(['dlq', 'show', 'ffff'])).toMatchObject({ code: 7 })
  })

  it('a retried record that fails again is one open letter, not two', async () => {
    await project.run(['ingest', 'app', '-'], {
      input: `${signup('c@x.org')}{"type":"other","timestamp":"2024-02-01T00:00:00Z"}\n`,
    })
    const before = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string }[] }
    expect(before.data).toHaveLength(1)
    expect(await project.json(['dlq', 'retry'])).toMatchObject({ code: 4, data: { retried: 1, failed: 1 } })
    const after = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string; place: string }[] }
    expect(after.data).toHaveLength(1)
    expect(after.data[0]?.id).not.toBe(before.data[0]?.id)
    expect(after.data[0]?.place).toBe('-:2')
  })

  it('are exit 4 when all failed or more than allowed', async () => {
    expect(await project.json(['ingest', 'app', '-'], { input: 'x\ny\n' })).toMatchObject({
      ok: false,
      code: 4,
      data: { read: 2, failed: 2 },
      error: { class: 'IngestError' },
    })
    const input = `x\ny\n${signup('d@x.org')}`
    expect(await project.json(['ingest', 'app', '-', '--max-errors', '1'], { input })).toMatchObject({
      ok: false,
      code: 4,
      data: { ingested: 1 },
      error: { class: 'ThresholdError' },
    })
    expect(await project.json(['ingest', 'app', '-', '--max-errors', '2'], { input })).toMatchObject({
      ok: true,
      code: 0,
    })
  })

  it('other formats and mistakes in the call', async () => {
    project.put('in/list.json', `[\n${signup('e@x.org')},${signup('f@x.org')}]`)
    project.put('in/list.csv', 'type,timestamp,email\r\nsignup,2024-01-01T00:00:00Z,"g@x.org"\r\n')
    expect((await project.json(['ingest', 'app', 'in/list.json', 'in/list.csv'])).data).toMatchObject({
      read: 3,
      ingested: 3,
    })
    expect((await project.json(['ingest', 'app', '-'], { input: '' })).data).toMatchObject({ read: 0, ingested: 0 })
    expect(await project.json(['ingest', 'app', 'in/none.ndjson'])).toMatchObject({ code: 2 })
    expect(await project.json(['ingest', 'nobody', 'in/list.json'])).toMatchObject({ code: 7 })
  })
})

describe('wrong definitions', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('are found with file, line and column, all of them, and stop every other command', async () => {
    const path = project.path('entities/customer.yaml')
    const good = readFileSync(path, 'utf8')
    writeFileSync(path, good.replace('to: churned', 'to: gone').replace('type: string }', 'type: text }'))
    const check = (await project.json(['check'])) as unknown as {
      ok: boolean
      code: number
      data: { issues: { code: string; place: string }[] }
      error: { code: string }
    }
    expect(check).toMatchObject({ ok: false, code: 3, error: { code: 'E_DEFINITION' } })
    const errors = check.data.issues.filter(({ code }) => code.startsWith('E'))
    expect(errors.map(({ code }) => code)).toEqual(expect.arrayContaining(['E10', 'E16']))
    const lines = readFileSync(path, 'utf8').split('\n')
    for (const { place } of errors) expect(place).toMatch(/^entities\/customer\.yaml:\d+:\d+$/)
    const gone = errors
      .find(({ code }) => code === 'E16')
      ?.place.split(':')
      .map(Number)
    expect(lines[(gone?.[1] as number) - 1]).toContain('gone')
    const text = await project.run(['check'])
    expect(text.out).toMatch(/^entities\/customer\.yaml:\d+:\d+: error E\d\d /m)
    expect(text.out).toMatch(/definitions are not valid: \d errors/)
    for (const args of [['build'], ['table', 'customer'], ['ingest', 'app', 'sample/app.ndjson']]) {
      expect((await project.run(args)).code, args.join(' ')).toBe(3)
    }
    writeFileSync(path, 'customer: [\n')
    expect(await project.json(['check'])).toMatchObject({ code: 3, data: { valid: false, issues: [{ code: 'E32' }] } })
    writeFileSync(path, good)
  })

  it('strict makes unknown keys errors', async () => {
    const path = project.path('sources/app.yaml')
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('  timestamp: timestamp\n', '  timestamp: timestamp\n  timezone: UTC\n'),
    )
    expect((await project.run(['check'])).code).toBe(0)
    expect((await project.run(['check', '--strict'])).code).toBe(3)
    expect((await project.run(['check'], { env: { DEFACTO_STRICT: 'true' } })).code).toBe(3)
  })

  it('a folder that is no project is said so, and nothing is made in it', async () => {
    const empty = new Project()
    expect(await empty.json(['check'])).toMatchObject({ code: 3 })
    expect(await empty.json(['table', 'customer'])).toMatchObject({ code: 3 })
    expect(await empty.json(['build', '-p', 'nowhere'])).toMatchObject({ code: 2 })
    expect(readdirSync(empty.root)).toEqual([])
    empty.remove()
  })
})

describe('schema, explain, completion, config', () => {
  const project = new Project()
  afterAll(() => project.remove())

  it('schema prints one kind and writes all', async () => {
    expect(JSON.parse((await project.run(['schema', 'entity'])).out)).toMatchObject({
      $schema: expect.stringContaining('draft-07'),
    })
    expect((await project.run(['schema', '--out', 's'])).code).toBe(0)
    for (const kind of ['entities', 'sources', 'schemas', 'pipelines'])
      expect(existsSync(project.path('s', `${kind}.json`))).toBe(true)
    expect((await project.run(['schema'])).code).toBe(2)
    expect((await project.run(['schema', 'nothing'])).code).toBe(2)
  })

  it('explain knows every code of the checks', async () => {
    const all = (await project.json(['explain'])) as unknown as { data: { code: string }[] }
    const codes = all.data.map(({ code }) => code)
    expect(codes.filter((code) => /^E\d/.test(code))).toHaveLength(32)
    expect(codes.filter((code) => /^W\d/.test(code))).toHaveLength(13)
    expect((await project.run(['explain', 'e22'])).out).toMatch(/^E22 /)
    expect(await project.json(['explain', 'E99'])).toMatchObject({ code: 7 })
  })

  it.each(['bash', 'zsh', 'fish', 'pwsh'])('completion for %s names commands and flags', async (shell) => {
    const { out, code } = await project.run(['completion', shell])
    expect(code).toBe(0)
    for (const word of ['ingest', 'dlq', 'retry', shell === 'fish' ? '-l dry-run' : '--dry-run'])
      expect(out).toContain(word)
  })

  it('config shows values, origins and no secrets', async () => {
    project.put('defacto.config.yaml', 'database: postgresql://u:hush@h/db\nprofiles: { ci: { namespace: ci } }\n')
    const shown = await project.run(['config', 'show', '--origin', '--profile', 'ci'], {
      env: { DEFACTO_LOG_LEVEL: 'error' },
    })
    expect(shown.out).toMatch(/namespace\s+ci\s+defacto.config.yaml:2:\d+ \(profile ci\)/)
    expect(shown.out).toMatch(/log_level\s+ERROR\s+DEFACTO_LOG_LEVEL/)
    expect(shown.out + shown.err).not.toContain('hush')
    const wrong = await project.run(['config', 'show'], { env: { DEFACTO_LOG_LEVL: 'x' } })
    expect(wrong).toMatchObject({ code: 2 })
    expect(wrong.err).toContain("did you mean 'log_level'?")
    const refused = await project.run(['build'])
    expect(refused.code).not.toBe(0)
    expect(refused.out + refused.err).not.toContain('hush')
  })
})
