/** The package as a user gets it: packed, installed in a folder of its own, imported and run. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 240_000 })
}

describe('the packed package', () => {
  let scratch: string
  let files: string[]

  beforeAll(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'defacto-pack-')))
    // Built into a copy of nothing but the sources, so that a stale `dist/` can neither help nor hurt.
    const build = join(scratch, 'build')
    mkdirSync(build)
    run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json', '--outDir', join(build, 'dist')], ROOT)
    run(process.execPath, ['src/temporal/make-bundle.ts', join(build, 'dist', 'workflows')], ROOT)
    for (const name of ['package.json', 'README.md', 'LICENSE', 'definitions', 'infra', 'docs']) {
      run('cp', ['-R', join(ROOT, name), join(build, name)], ROOT)
    }
    const [packed] = JSON.parse(
      run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], build),
    ) as {
      filename: string
      files: { path: string }[]
    }[]
    if (packed === undefined) throw new Error('npm pack made nothing')
    files = packed.files.map((file) => file.path)
    const user = join(scratch, 'user')
    mkdirSync(user)
    writeFileSync(join(user, 'package.json'), '{"name": "user", "private": true, "type": "module"}\n')
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(scratch, packed.filename)], user)
  }, 300_000)

  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const node = (...args: string[]): string => run(process.execPath, args, join(scratch, 'user'))
  const bin = (...args: string[]): string =>
    node(join('node_modules', 'defacto', 'dist', 'src', 'cli', 'main.js'), ...args)

  test('holds what it needs and nothing else', () => {
    const tops = [...new Set(files.map((path) => path.split('/').slice(0, 2).join('/')))]
    const strange = tops.filter(
      (path) =>
        !/^(dist\/src|dist\/(workflows|activities)|definitions\/\w+|infra\/(sample|dagster|airflow)|docs\/.+|README\.md|LICENSE|package\.json)$/.test(
          path,
        ),
    )
    expect(strange).toEqual([])
    expect(files).toContain('infra/sample/manifest.json')
    expect(files.filter((path) => /(^|\/)\.defacto|\.db$|\.test\.|\.tsbuildinfo$/.test(path))).toEqual([])
  })

  test('is imported by name, with its testing tools', () => {
    const program = `
      import { Defacto } from 'defacto'
      import * as testing from 'defacto/testing'
      const space = await Defacto.open({
        entities: { cat: { starts: 'seen', identity: { name: {} }, states: { seen: { when: { met: { effects: ['create'] } } } } } },
        sources: { app: { event_type: 'type', timestamp: 'at', events: { met: { mappings: { name: { from: 'name' } }, hints: { cat: ['name'] } } } } },
      }, { database: ':memory:', logLevel: 'ERROR' })
      await space.ingest('app', [{ type: 'met', at: '2024-01-01', name: 'Mia' }], { process: true })
      console.log((await space.table('cat').rows()).length, typeof testing)
      await space.close()
    `
    writeFileSync(join(scratch, 'user', 'try.mjs'), program)
    expect(node('try.mjs').trim()).toBe('1 object')
  })

  test('reads a history store by an entry of its own', () => {
    const program = `
      import { Defacto } from 'defacto'
      import { count, DefactoQuery } from 'defacto/query'
      const definitions = {
        entities: { cat: { starts: 'seen', identity: { name: {} }, states: { seen: { when: { met: { effects: ['create'] } } } } } },
        sources: { app: { event_type: 'type', timestamp: 'at', events: { met: { mappings: { name: { from: 'name' } }, hints: { cat: ['name'] } } } } },
      }
      const space = await Defacto.open(definitions, { database: 'cats.db', logLevel: 'ERROR' })
      await space.ingest('app', [{ type: 'met', at: '2024-01-01', name: 'Mia' }], { process: true })
      await using handle = await DefactoQuery.connect('cats.db', definitions)
      console.log(JSON.stringify(await handle.table('cat').agg({ n: count() }).rows()))
      await space.close()
    `
    writeFileSync(join(scratch, 'user', 'read.mjs'), program)
    expect(node('read.mjs').trim()).toBe('[{"n":1}]')
  })

  test('brings its workflows as one file, made with the SDK it names', () => {
    const program = `
      import { existsSync } from 'node:fs'
      import { workflowBundle } from 'defacto/temporal'
      import * as workflows from 'defacto/temporal/workflows'
      const { codePath } = await workflowBundle()
      console.log(codePath === workflows.bundlePath, existsSync(codePath), typeof workflows.runPipeline)
    `
    writeFileSync(join(scratch, 'user', 'bundle.mjs'), program)
    expect(node('bundle.mjs').trim()).toBe('true true function')
  })

  test('brings types for all its entries', () => {
    const { exports } = JSON.parse(
      readFileSync(join(scratch, 'user', 'node_modules', 'defacto', 'package.json'), 'utf8'),
    ) as {
      exports: Record<string, { types?: string } | string>
    }
    for (const [entry, target] of Object.entries(exports)) {
      if (typeof target === 'string') continue
      expect(existsSync(join(scratch, 'user', 'node_modules', 'defacto', target.types ?? '-')), entry).toBe(true)
    }
  })

  test('puts its command line on the path, and the sample runs from anywhere', () => {
    expect(existsSync(join(scratch, 'user', 'node_modules', '.bin', 'defacto'))).toBe(true)
    expect(bin('--help')).toContain('ingest')
    const report = bin('sample')
    expect(report.trimEnd().split('\n').at(-1)).toMatch(/^Wrote defacto-sample\/out\/report\.json/)
    expect(existsSync(join(scratch, 'user', '.defacto'))).toBe(false)
  })
})
