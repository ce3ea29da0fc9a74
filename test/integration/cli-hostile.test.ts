/** Input, files and terminals that go wrong: what the command line makes of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CODES } from '../../src/cli/codes.ts'
import { Project } from '../support/cli.ts'

const signup = (email: unknown): string =>
  `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email })}\n`

describe('hostile input', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('a record nested ten thousand levels deep is a dead letter that can be read', async () => {
    const deep = `{"type":"signup","x":${'['.repeat(10_000)}"\\"",{"a":1,"b":null}${']'.repeat(10_000)}}`
    const done = await project.run(['ingest', 'app', '-', '-o', 'json'], { input: `${deep}\n${signup('a@x.org')}` })
    expect(JSON.parse(done.out)).toMatchObject({ data: { read: 2, ingested: 1, failed: 1 } })
    expect(done.err).toBe('')
    const { data } = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string }[] }
    expect((await project.json(['dlq', 'show', data[0]?.id as string])).data).toMatchObject({ raw: deep })
    await project.run(['dlq', 'drop', '--reason', 'test', '--yes'])
  })

  it('an input that breaks off is exit 4 whatever could be read, and names the place', async () => {
    project.put('cut.json', `[${signup('b@x.org')},{"type":"sig`)
    project.put(
      'cut.ndjson.gz',
      gzipSync(Array.from({ length: 3000 }, (_, i) => signup(`${i}@x`)).join('')).subarray(0, 6000),
    )
    const [array, packed] = await Promise.all([
      project.json(['ingest', 'app', 'cut.json', '--dry-run']),
      project.json(['ingest', 'app', 'cut.ndjson.gz', '--dry-run']),
    ])
    expect(array).toMatchObject({ ok: false, code: 4, data: { ingested: 1 }, error: { code: 'E_INPUT_BROKEN' } })
    expect(array.error?.message).toContain('cut.json from line 2 on')
    expect(packed).toMatchObject({ ok: false, code: 4, error: { code: 'E_INPUT_BROKEN' } })
  })

  it('mistakes about files are found before anything is read, with what to do', async () => {
    project.put('good.ndjson', signup('late@x.org'))
    project.put('semicolons.csv', 'type;timestamp;email\nsignup;2024-01-01;a@x.org\n')
    project.put('pretty.json', JSON.stringify({ type: 'signup' }, null, 2))
    const [late, semicolons, pretty] = await Promise.all([
      project.json(['ingest', 'app', 'good.ndjson', 'nowhere.ndjson', '--dry-run']),
      project.json(['ingest', 'app', 'semicolons.csv', '--dry-run']),
      project.json(['ingest', 'app', 'pretty.json', '--dry-run']),
    ])
    expect(late).toMatchObject({ code: 2, data: null, error: { message: expect.stringContaining('nowhere.ndjson') } })
    expect(semicolons).toMatchObject({ code: 2, error: { message: expect.stringContaining('commas') } })
    expect(pretty.data).toMatchObject({ failures: [{ error: expect.stringContaining('one record a line') }, {}, {}] })
  })
})

describe('wrong places', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('looking at a database that is not there makes none', async () => {
    for (const args of [
      ['table', 'customer'],
      ['query', 'select 1 as n'],
      ['timeline', 'a@x.org'],
    ]) {
      const looked = await project.json([...args, '--database', 'other.db'])
      expect(looked, args[0]).toMatchObject({
        code: 7,
        error: { message: expect.stringContaining('does not exist yet') },
      })
    }
    expect(existsSync(project.path('other.db'))).toBe(false)
  })

  it.runIf(existsSync('/proc/self'))('folders that cannot be made are said so', async () => {
    project.put('taken', '')
    const [proc, file] = await Promise.all([
      project.json(['init', '/proc/defacto-test']),
      project.json(['schema', '--out', 'taken']),
    ])
    expect(proc).toMatchObject({
      code: 2,
      error: { message: expect.stringContaining('cannot write to /proc/defacto-test') },
    })
    expect(file).toMatchObject({ code: 2, error: { message: expect.stringContaining('a file is in the way') } })
  })

  it('a configuration that is a folder or no text is a configuration error', async () => {
    mkdirSync(project.path('folder', 'defacto.config.yaml'), { recursive: true })
    mkdirSync(project.path('binary'))
    writeFileSync(project.path('binary', 'defacto.config.yaml'), Buffer.from([0xff, 0xfe, 0x6d]))
    const [folder, binary, missing] = await Promise.all([
      project.json(['config', 'show', '-p', 'folder']),
      project.json(['config', 'show', '-p', 'binary']),
      project.run(['check'], { env: { DEFACTO_DEFINITIONS: project.path('nowhere') } }),
    ])
    expect(folder).toMatchObject({
      code: 2,
      error: { code: 'E_CONFIG', message: expect.stringContaining('is a folder') },
    })
    expect(binary).toMatchObject({ code: 2, error: { message: expect.stringContaining('not valid UTF-8') } })
    expect(missing).toMatchObject({ code: 3, out: expect.stringMatching(/^error E32 project directory/) })
    expect(missing.err).not.toContain('defacto check')
  })
})

describe('words', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('quiet leaves receipts away and keeps data', async () => {
    expect(await project.run(['ingest', 'app', 'sample/app.ndjson', '--process', '-q'])).toEqual({
      code: 0,
      out: '',
      err: '',
    })
    expect(await project.run(['build', '-q'])).toEqual({ code: 0, out: '', err: '' })
    expect((await project.run(['table', 'customer', '-q'])).out).toContain('alice@example.com')
    expect((await project.json(['build', '-q'])).data).toMatchObject({ mode: 'SKIP' })
  })

  it('lines and cells are entries, issues, settings and checks', async () => {
    const [entries, settings, checks, empty] = await Promise.all([
      project.run(['timeline', 'alice@example.com', '-o', 'jsonl']),
      project.run(['config', 'show', '-o', 'csv']),
      project.run(['doctor', '-o', 'jsonl']),
      project.run(['dlq', 'list', '-o', 'csv']),
    ])
    const timeline = entries.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event_type: string })
    expect(timeline.map(({ event_type }) => event_type)).toEqual(['signup', 'upgrade'])
    expect(settings.out).toMatch(/^key,value\r\n(?:.*\r\n)?database,/)
    expect(JSON.parse(checks.out.split('\n')[0] as string)).toMatchObject({ check: 'node', state: 'ok' })
    expect(empty.out).toBe('id,at,status,stage,source,place,field,error\r\n')
  })

  it('suggests commands, kinds and types, in help too', async () => {
    const [help, nested, kind, type] = await Promise.all([
      project.json(['help', 'ingset']),
      project.run(['help', 'dlq', 'list']),
      project.json(['schema', 'entitis']),
      project.json(['graph', '--entity', 'custmer']),
    ])
    expect(help).toMatchObject({ code: 2, error: { message: expect.stringContaining("did you mean 'ingest'?") } })
    expect(nested.out).toMatch(/^Usage: defacto dlq list/)
    expect(kind.error?.message).toContain("did you mean 'entities'?")
    expect(type.error?.message).toContain("did you mean 'customer'?")
  })

  it('every code of the sources is explained', () => {
    const root = join(import.meta.dirname, '..', '..', 'src')
    const codes = new Set<string>()
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      for (const [, code] of readFileSync(join(root, name), 'utf8').matchAll(/'(E_[A-Z_]+)'/g))
        codes.add(code as string)
    }
    expect([...codes].filter((code) => !CODES.has(code))).toEqual([])
  })

  it('completion in a real bash offers commands, subcommands, flags, choices and files', async () => {
    const { out } = await project.run(['completion', 'bash'])
    writeFileSync(project.path('completion.bash'), out)
    const lines = [
      'defacto in',
      'defacto dlq l',
      'defacto -p . dlq re',
      'defacto ingest --format ""',
      'defacto -o j',
      'defacto ingest app sam',
      'defacto build --fu',
    ]
    const script = [
      'source ./completion.bash',
      `try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _defacto; echo "\${COMPREPLY[*]}"; }`,
      ...lines.map((line) => `try ${line}`),
    ].join('\n')
    const { execFileSync } = await import('node:child_process')
    const shown = execFileSync('bash', ['-c', script], { cwd: project.root, encoding: 'utf8' })
    expect(shown.trimEnd().split('\n')).toEqual([
      'init ingest integrate',
      'list',
      'retry',
      'ndjson json csv',
      'json jsonl',
      'sample',
      '--full',
    ])
  })
})
