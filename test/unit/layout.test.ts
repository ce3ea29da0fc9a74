/** The layout of the sources: who may import whom, and how large a file may be. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const IMPORT =
  /^\s*(?:import|export)\b[^'"`;]*?from\s*(['"])([^'"]+)\1|\bimport\s*\(\s*(['"])([^'"]+)\3\s*\)|^\s*import\s*(['"])([^'"]+)\5/gm

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .sort()
}

interface Import {
  readonly from: string
  /** Path inside the project, or the package name. */
  readonly to: string
  readonly typeOnly: boolean
  /** `import()`: loaded when it is needed, so it can close no cycle while modules start. */
  readonly lazy: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(IMPORT)].map((match) => {
    const target = match[2] ?? match[4] ?? match[6] ?? ''
    const to = target.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), target)).replaceAll('\\', '/') : target
    return { from: file, to, typeOnly: /^\s*(import|export)\s+type\b/.test(match[0]), lazy: match[4] !== undefined }
  })
}

const sources = filesUnder('src')
const imports = sources.flatMap(importsOf)

/** The room of a file: `core`, `ports`, …, an adapter with its own name, or the file itself right under `src/`. */
function roomOf(path: string): string {
  const [top = '', room = '', name = ''] = path.split('/')
  if (top !== 'src') return 'package'
  if (room.endsWith('.ts')) return room
  return room === 'adapters' ? `adapters/${name}` : room
}

/** `errors.ts` and `results.ts` are plain types and classes that every room but `core` may use. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ['core', 'errors.ts', 'results.ts'],
  engine: ['core', 'ports', 'errors.ts', 'results.ts'],
  query: ['core', 'ports', 'errors.ts', 'results.ts'],
  orchestration: ['core', 'ports', 'query', 'errors.ts', 'results.ts'],
  'errors.ts': [],
  'results.ts': ['core'],
}

/** `adapters/sql` is SQL that several databases share; it knows none of them. */
const FOR_ADAPTERS = ['core', 'ports', 'adapters/sql', 'errors.ts', 'results.ts']

function forbidden(found: Import): boolean {
  const from = roomOf(found.from)
  const to = roomOf(found.to)
  if (from === to || to === 'package') return false
  const allowed = ALLOWED[from]
  if (allowed !== undefined) return !allowed.includes(to)
  if (from.startsWith('adapters/')) return !FOR_ADAPTERS.includes(to)
  return false
}

describe('imports', () => {
  test('are found at all', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(imports.some(({ from, to }) => from === 'src/open-space.ts' && to.startsWith('src/adapters/'))).toBe(true)
    expect(imports.some(({ from, to }) => from === 'src/cli/catalog.ts' && to.startsWith('src/cli/commands/'))).toBe(
      true,
    )
  })

  test('point inwards: core knows nobody, engine and query know core and ports, an adapter no other adapter but shared SQL', () => {
    expect(imports.filter(forbidden).map(({ from, to }) => `${from} → ${to}`)).toEqual([])
  })

  // Which stores an erasure reaches is picked from all adapters that hold something (`erasure-targets`, `export-purgers`); `file-owner` asks the host, `make-folder` its disk.
  test('of adapters happen in the composition root and in the readers of definitions, inputs and dead letters alone', () => {
    const outside = imports.filter(
      ({ from, to }) => roomOf(to).startsWith('adapters/') && !roomOf(from).startsWith('adapters/'),
    )
    expect(
      [...new Set(outside.map(({ from }) => from))].filter(
        (from) =>
          !/^src\/(open-space|privacy-context|export-writers|export-purgers|erasure-targets|file-owner|make-folder|query-handle|graph-place|cold-place|definitions|dead-letters|input-readers|orchestrator\/space)\.ts$/.test(
            from,
          ),
      ),
    ).toEqual([])
  })

  test('of core have no clock, no randomness, no input or output', () => {
    const reaching = imports.filter(({ from, to }) => roomOf(from) === 'core' && to.startsWith('node:'))
    expect(
      reaching.map(({ from, to }) => `${from} → ${to}`).filter((line) => !/→ node:(crypto|assert)$/.test(line)),
    ).toEqual([])
    const impure = sources
      .filter((file) => file.startsWith('src/core/'))
      .filter((file) =>
        /\bDate\.now\(|new Date\(\)|Math\.random\(|\bperformance\.|\bprocess\.|\beval\(|new Function\(|\basync\b/.test(
          code(file),
        ),
      )
    expect(impure).toEqual([])
  })

  test('name their package or built-in module in full', () => {
    const builtins = new Set([
      'fs',
      'path',
      'os',
      'crypto',
      'url',
      'util',
      'stream',
      'events',
      'assert',
      'child_process',
      'sqlite',
      'zlib',
    ])
    expect(imports.filter(({ to }) => builtins.has(to.split('/')[0] ?? ''))).toEqual([])
    expect(imports.filter(({ to }) => to.startsWith('src/') && !/\.(ts|json)$/.test(to))).toEqual([])
  })

  test('make no cycle, types and lazy loading left out', () => {
    const edges = new Map<string, string[]>()
    for (const { from, to, typeOnly, lazy } of imports) {
      if (!typeOnly && !lazy && to.startsWith('src/')) edges.set(from, [...(edges.get(from) ?? []), to])
    }
    expect(cycleIn(edges)).toEqual([])
  })

  test('go through the entries of the package alone; no other file is a barrel', () => {
    const barrels = sources.filter(
      (file) => file.endsWith('/index.ts') && !/^src\/((testing|pipes|temporal)\/)?index\.ts$/.test(file),
    )
    expect(barrels).toEqual([])
  })
})

describe('workflows', () => {
  test('know the SDK for workflows, types of activities, and themselves', () => {
    const found = filesUnder('workflows').flatMap(importsOf)
    expect(found.some(({ to }) => to === '@temporalio/workflow')).toBe(true)
    const strange = found.filter(
      ({ to, typeOnly }) =>
        to !== '@temporalio/workflow' && !to.startsWith('workflows/') && !(to === 'activities/types.ts' && typeOnly),
    )
    expect(strange).toEqual([])
  })

  test('are joined with the engine by activities alone, which the Temporal side makes', () => {
    const joining = imports.filter(({ to }) => to.startsWith('activities/')).map(({ from }) => roomOf(from))
    expect([...new Set(joining)]).toEqual(['temporal'])
  })
})

describe('files', () => {
  const all = ['src', 'workflows', 'activities', 'test', 'infra', 'bench'].flatMap(filesUnder)

  test('have at most 500 lines, and most fewer than 250', () => {
    const lengths = all.map((file) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1 }))
    expect(lengths.filter(({ lines }) => lines > 500)).toEqual([])
    const long = lengths.filter(({ file, lines }) => file.startsWith('src/') && lines > 250)
    expect(long.length).toBeLessThan(sources.length / 10)
  })

  test('have kebab-case names', () => {
    const names = all.map((file) => file.split('/').at(-1) ?? '')
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|rules|d))?\.ts$/.test(name))).toEqual([])
  })
})

/** Source text without comments, roughly: enough to look for calls. */
function code(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')
}

/** Files of one import cycle; empty if there is none. */
function cycleIn(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    path.push(file)
    for (const next of edges.get(file) ?? []) {
      const found = visit(next)
      if (found.length > 0) return found
    }
    path.pop()
    done.add(file)
    return []
  }
  for (const file of edges.keys()) {
    const found = visit(file)
    if (found.length > 0) return found
  }
  return []
}
