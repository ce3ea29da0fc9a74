/** The server program is built where there is none (spec 10 §5): once, whole or not at all. Go is a script here. */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findExecutable, type Tried } from '../../src/temporal/executable.ts'
import { folder } from './folder.ts'

const before = process.env['XDG_CACHE_HOME']
let home: string
beforeEach(async () => {
  home = folder()
  // The cache is where everybody may pass through.
  await chmod(home, 0o755)
  process.env['XDG_CACHE_HOME'] = join(home, 'cache')
})
afterEach(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME']
  else process.env['XDG_CACHE_HOME'] = before
})

async function go(script: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(home, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'go'), `#!/bin/sh\necho "$@" >> ${home}/calls\n${script}\n`)
  await chmod(join(bin, 'go'), 0o755)
  return { PATH: bin }
}

test('two that need it at once build it once', async () => {
  const env = await go(
    'mkdir -p "$GOMODCACHE" "$GOCACHE"; sleep 1; printf "#!/bin/sh\\n" > "$GOBIN/temporal"; chmod +x "$GOBIN/temporal"',
  )
  const said: string[] = []
  const tried: Tried[] = []
  const say = (line: string): void => void said.push(line)
  const found = await Promise.all([1, 2].map(() => findExecutable({ env, say }, tried)))
  const path = join(home, 'cache', 'defacto', 'temporal', '1.5.1', 'temporal')
  expect(found.map((one) => one?.path)).toEqual([path, path])
  expect((await stat(path)).mode & 0o111).not.toBe(0)
  expect((await readFile(join(home, 'calls'), 'utf8')).trim()).toBe(
    'install -ldflags=-s -w github.com/temporalio/cli/cmd/temporal@v1.5.1',
  )
  expect(said.join('\n')).toMatch(/Building the Temporal CLI 1\.5\.1/)
  // Nothing is left of it but the program.
  expect(await readdir(join(path, '..'))).toEqual(['temporal'])
})

test('a build that fails says how, and leaves nothing', async () => {
  const env = await go('echo "no such module" >&2; exit 1')
  const tried: Tried[] = []
  expect(await findExecutable({ env }, tried)).toBeNull()
  expect(tried.at(-1)?.why).toContain('no such module')
  expect(await readdir(join(home, 'cache', 'defacto', 'temporal', '1.5.1'))).toEqual([])
})

test('without Go, and without a program, the steps are told', async () => {
  const tried: Tried[] = []
  expect(await findExecutable({ env: { PATH: '', DEFACTO_TEMPORAL_CLI: '/none' } }, tried)).toBeNull()
  expect(tried.map(({ step }) => step)).toEqual([
    'DEFACTO_TEMPORAL_CLI',
    'temporal on PATH',
    'Temporal CLI in the cache',
    'Temporal CLI 1.5.1 built by Go',
  ])
})
