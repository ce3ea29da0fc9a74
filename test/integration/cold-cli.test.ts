/** The cold tier as a user meets it (spec 07 §4, 10 §7.1): configuration, `defacto cold`, and what goes wrong. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Project } from '../support/cli.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'

/** Nine sign-ups, one upgrade each: 18 events of nine customers. */
function events(from: number, to: number): string {
  const lines: string[] = []
  for (let n = from; n < to; n += 1) {
    const user = { email: `user${n}@example.com` }
    const day = String(n + 1).padStart(2, '0')
    lines.push(JSON.stringify({ type: 'signup', timestamp: `2024-01-${day}T10:00:00Z`, ...user }))
    lines.push(JSON.stringify({ type: 'upgrade', timestamp: `2024-02-${day}T10:00:00Z`, ...user, plan: 'pro' }))
  }
  return `${lines.join('\n')}\n`
}

async function projectOf(config: string, env: Record<string, string> = {}): Promise<Project> {
  const project = new Project()
  await project.run(['init', '-q'])
  project.put('defacto.config.yaml', config)
  const done = await project.run(['ingest', 'app', '-', '--process'], { input: events(0, 9), env })
  if (done.code !== 0) throw new Error(done.err)
  return project
}

const CUSTOMERS = ['table', 'customer', '--columns', 'email,customer_state,plan', '--order-by', 'email']

async function ok(project: Project, args: string[], env: Record<string, string> = {}): Promise<Record<string, never>> {
  const answer = await project.json(args, { env })
  expect(answer, args.join(' ')).toMatchObject({ ok: true, code: 0 })
  return answer.data
}

describe('an archive in the folder `cold` beside the database', () => {
  it('is found without configuration, and prunes only what it is told', async () => {
    const project = await projectOf('')
    const env = { DEFACTO_COLD_LEDGER: project.path('.defacto', 'cold') }
    expect(await ok(project, ['cold', 'flush'], env)).toMatchObject({ flushed_rows: 18 })
    expect(await project.json(['cold', 'prune'])).toMatchObject({ ok: false, code: 2, error: { code: 'E_USAGE' } })
    expect(await ok(project, ['cold', 'status'])).toMatchObject({ flushed: 18, pruned: 0 })
    expect(await ok(project, ['cold', 'prune', '--before', '10'])).toMatchObject({ pruned_rows: 10, hot_rows: 8 })
    expect(await ok(project, ['build', '--full'])).toMatchObject({ mode: 'FULL', events_processed: 18 })
    project.remove()
  })
})

describe('a project with a cold ledger', () => {
  let project: Project
  beforeAll(async () => {
    project = await projectOf('cold_ledger:\n  url: archive\n  retention: { hot_rows: 4 }\n')
  })
  afterAll(() => project.remove())

  it('archives, removes what the retention leaves, and answers as before', async () => {
    const before = await ok(project, CUSTOMERS)
    expect(await ok(project, ['cold', 'status'])).toMatchObject({ head: 18, flushed: 0, pruned: 0, cold_rows: 0 })
    expect(await ok(project, ['cold', 'flush', '--up-to', '6'])).toMatchObject({ flushed_rows: 6, flushed: 6 })
    expect(existsSync(project.path('archive', '_delta_log'))).toBe(true)
    expect(await ok(project, ['cold', 'flush'])).toMatchObject({ flushed_rows: 12, flushed: 18, files: 2 })
    expect(await ok(project, ['cold', 'flush'])).toMatchObject({ flushed_rows: 0 })

    const dry = await ok(project, ['cold', 'prune', '--dry-run'])
    expect(dry).toMatchObject({ dry_run: true, pruned_rows: 14, hot_rows: 18 })
    expect(await ok(project, ['cold', 'prune', '--before', '0'])).toMatchObject({ pruned_rows: 0 })
    expect(await ok(project, ['cold', 'prune'])).toMatchObject({ pruned_rows: 14, hot_rows: 4, cold_rows: 18 })

    expect(await ok(project, CUSTOMERS)).toEqual(before)
    expect(await ok(project, ['build', '--full'])).toMatchObject({ mode: 'FULL', events_processed: 18 })
    expect(await ok(project, CUSTOMERS)).toEqual(before)
    const story = await ok(project, ['timeline', 'user1@example.com'])
    expect(story['entries']).toHaveLength(2)
    const repeated = await project.json(['ingest', 'app', '-'], { input: events(0, 9) })
    expect(repeated.data).toMatchObject({ ingested: 0, duplicates: 18 })
  })

  it('merges and removes files, and is verified', async () => {
    expect(await ok(project, ['cold', 'verify'])).toMatchObject({ rows: 18, files: 2, problems: [] })
    expect(await ok(project, ['cold', 'compact'])).toEqual({ files_before: 2, files_after: 1 })
    // What was replaced just now may still be read by others.
    const vacuum = await project.run(['cold', 'vacuum'])
    expect(vacuum).toMatchObject({ code: 0, out: 'nothing to remove\n' })
    expect(vacuum.err).toMatch(/^2 files not removed: /)
    expect(await ok(project, ['cold', 'verify'])).toMatchObject({ rows: 18, files: 1, problems: [] })
    const text = await project.run(['cold', 'status'])
    expect(text.out).toMatch(/^ledger in two tiers; the archive, .* is in .*archive\n {2}last event +18\n/)
    expect(text.out).toMatch(/hot rows +4\n/)
    const doctor = await ok(project, ['doctor'])
    expect(doctor['checks']).toContainEqual(expect.objectContaining({ check: 'cold tier', state: 'ok' }))
    const shown = await project.run(['config', 'show', '--origin'])
    expect(shown.out).toContain('cold_ledger.retention.hot_rows')
  })

  it('is not opened without its archive once events are there alone', async () => {
    const config = readFileSync(project.path('defacto.config.yaml'), 'utf8')
    project.put('defacto.config.yaml', '')
    const missing = await project.json(CUSTOMERS)
    expect(missing).toMatchObject({ code: 2, error: { code: 'E_CONFIG_COLD_LEDGER_MISSING' } })
    expect(missing.error?.message).toContain('cold_ledger')
    const place = { DEFACTO_COLD_LEDGER: project.path('archive') }
    expect(await ok(project, CUSTOMERS, place)).toHaveLength(9)
    const other = await project.json(CUSTOMERS, { env: { DEFACTO_COLD_LEDGER: project.path('elsewhere') } })
    expect(other).toMatchObject({ code: 1, error: { code: 'E_COLD_FOREIGN' } })
    project.put('defacto.config.yaml', config)
  })

  it('moves to another place, which is read before the old one is given up', async () => {
    const before = await ok(project, CUSTOMERS)
    expect(await ok(project, ['cold', 'move', 'moved'])).toMatchObject({ problems: [] })
    expect(await ok(project, ['cold', 'move', 'moved'])).toMatchObject({ files: 0, present: 1, problems: [] })
    const told = await project.run(['cold', 'move', 'again'])
    expect(told.out).toMatch(/change the place in defacto\.config\.yaml:2:3: .*again\n/)
    expect(await project.json(['cold', 'move', 'archive'])).toMatchObject({ code: 2 })
    project.put('defacto.config.yaml', 'cold_ledger: moved\n')
    rmSync(project.path('archive'), { recursive: true })
    expect(await ok(project, ['cold', 'verify'])).toMatchObject({ rows: 18, problems: [] })
    expect(await ok(project, ['build', '--full'])).toMatchObject({ events_processed: 18 })
    expect(await ok(project, CUSTOMERS)).toEqual(before)
  })

  it('whose archive is damaged says so with exit 5', async () => {
    const folder = project.path('moved', 'data')
    const path = join(folder, readdirSync(folder)[0] as string)
    const bytes = readFileSync(path)
    bytes.fill(0, 100, 200)
    writeFileSync(path, bytes)
    const found = await project.json(['cold', 'verify'])
    expect(found).toMatchObject({ ok: false, code: 5, error: { code: 'E_CHECK' } })
    expect((found.data as { problems: object[] }).problems).toHaveLength(1)
  })
})

describe('a database that is gone', () => {
  it('comes back from the archive: every event, the same customers', async () => {
    const project = await projectOf('cold_ledger: archive\n')
    const before = await ok(project, CUSTOMERS)
    await ok(project, ['cold', 'flush'])
    rmSync(project.path('.defacto'), { recursive: true })
    const lost = await project.json(['build'])
    expect(lost).toMatchObject({ code: 1, error: { code: 'E_COLD_FOREIGN' } })
    expect(lost.error?.message).toContain('cold restore')
    expect(await ok(project, ['cold', 'restore'])).toEqual({ restored_rows: 18, head: 18 })
    expect(await ok(project, ['cold', 'restore'])).toEqual({ restored_rows: 0, head: 18 })
    await ok(project, ['build'])
    expect(await ok(project, CUSTOMERS)).toEqual(before)
    const more = await project.json(['ingest', 'app', '-', '--process'], { input: events(0, 10) })
    expect(more.data).toMatchObject({ ingested: 2, duplicates: 18 })
    project.remove()
  })

  it('or older than the archive takes over what it lacks, before anything else', async () => {
    const project = await projectOf('cold_ledger: archive\n')
    await ok(project, ['cold', 'flush'])
    const database = project.path('.defacto', 'defacto.db')
    mkdirSync(project.path('backup'))
    copyFileSync(database, project.path('backup', 'defacto.db'))
    await project.run(['ingest', 'app', '-', '--process'], { input: events(9, 12) })
    const before = await ok(project, CUSTOMERS)
    await ok(project, ['cold', 'flush'])
    for (const name of readdirSync(project.path('.defacto'))) {
      if (name.startsWith('defacto.db')) rmSync(project.path('.defacto', name))
    }
    copyFileSync(project.path('backup', 'defacto.db'), database)
    const ahead = await project.json(['ingest', 'app', '-'], { input: events(12, 13) })
    expect(ahead).toMatchObject({ code: 1, error: { code: 'E_COLD_AHEAD' } })
    expect(await ok(project, ['cold', 'restore'])).toEqual({ restored_rows: 6, head: 24 })
    await ok(project, ['build'])
    expect(await ok(project, CUSTOMERS)).toEqual(before)
    project.remove()
  })
})

describe('wrong use', () => {
  it('of a project without a cold ledger, or without a bound', async () => {
    const project = await projectOf('')
    for (const args of [
      ['flush'],
      ['prune'],
      ['status'],
      ['verify'],
      ['compact'],
      ['vacuum'],
      ['restore'],
      ['move', 'x'],
    ]) {
      const answer = await project.json(['cold', ...args])
      expect(answer, args[0]).toMatchObject({ code: 2, error: { code: 'E_CONFIG_NO_COLD_LEDGER' } })
    }
    project.put('defacto.config.yaml', 'cold_ledger: archive\n')
    const prune = await project.json(['cold', 'prune'])
    expect(prune).toMatchObject({ code: 2, error: { code: 'E_USAGE' } })
    expect(prune.error?.message).toContain('--before')
    for (const args of [['flush', '--up-to', 'x'], ['prune', '--before', '-1'], [], ['move'], ['nothing']]) {
      expect(await project.json(['cold', ...args]), args.join(' ')).toMatchObject({ code: 2 })
    }
    project.remove()
  })

  it('of an address or a setting is a configuration error with its place', async () => {
    const project = await projectOf('')
    const problem = async (config: string): Promise<string> => {
      project.put('defacto.config.yaml', config)
      const { code, error } = await project.json(['cold', 'status'])
      expect(code, config).toBe(2)
      return error?.message ?? ''
    }
    expect(await problem('cold_ledger: gs://bucket/x\n')).toContain("cannot use 'gs:'")
    expect(await problem('cold_ledger: s3://key:secret@bucket/x\n')).not.toContain('secret')
    expect(await problem('cold_ledger: { url: a, storage: { secret_access_key: abc } }\n')).toMatch(
      /^defacto\.config\.yaml:1:\d+: unknown key 'secret_access_key' under 'cold_ledger\.storage'/,
    )
    expect(await problem('cold_ledger: { url: a, flush_every_ms: 0 }\n')).toContain('flush_every_ms')
    expect(await problem('cold_ledger: { retention: { hot_rows: 5 } }\n')).toContain('place of the archive')
    project.remove()
  })

  it('without the packages it needs names them', async () => {
    const project = await projectOf('')
    project.put('defacto.config.yaml', 'cold_ledger: archive\n')
    const hook = `import { registerHooks } from 'node:module'
      registerHooks({ resolve: (name, context, next) =>
        next(name, name === '@duckdb/node-api' ? { ...context, parentURL: 'file:///nowhere/x.js' } : context) })`
    const node = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`]
    const { code, err } = await project.run(['cold', 'status'], { node })
    expect(code).toBe(2)
    expect(err).toContain('error E_CONFIG_DRIVER the cold ledger needs the package @duckdb/node-api')
    project.remove()
  })
})

describeS3('on S3', () => {
  let bucket: FreshBucket
  beforeAll(async () => {
    bucket = await freshBucket()
  })
  afterAll(() => bucket.drop())

  it('works as in a folder, and moves there', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
    const storage = `storage: { endpoint: "${bucket.options.endpoint}", region: us-east-1, path_style: true }`
    const project = await projectOf(`cold_ledger: { url: first, ${storage} }\n`, env)
    const before = await ok(project, CUSTOMERS, env)
    await ok(project, ['cold', 'flush', '--up-to', '10'], env)
    expect(await ok(project, ['cold', 'move', `${bucket.url}/ledger`], env)).toMatchObject({ problems: [] })
    project.put('defacto.config.yaml', `cold_ledger: { url: "${bucket.url}/ledger", ${storage} }\n`)
    expect(await ok(project, ['cold', 'flush'], env)).toMatchObject({ flushed_rows: 8, flushed: 18 })
    expect(await ok(project, ['cold', 'prune', '--before', '16'], env)).toMatchObject({ pruned_rows: 16, hot_rows: 2 })
    expect(await ok(project, ['build', '--full'], env)).toMatchObject({ events_processed: 18 })
    expect(await ok(project, CUSTOMERS, env)).toEqual(before)
    expect(await ok(project, ['cold', 'verify'], env)).toMatchObject({ rows: 18, problems: [] })
    project.remove()
  })

  it('that cannot be reached is a failure that passes', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
    const storage = 'storage: { endpoint: "http://127.0.0.1:1", region: us-east-1, attempts: 1 }'
    const project = await projectOf('')
    project.put('defacto.config.yaml', `cold_ledger: { url: "${bucket.url}/x", ${storage} }\n`)
    expect(await project.json(['cold', 'status'], { env })).toMatchObject({ code: 9, error: { code: 'E_STORAGE' } })
    project.remove()
  })
})
