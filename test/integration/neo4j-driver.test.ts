/** The driver of Neo4j is optional, and loaded by whoever asks for Neo4j. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

/** What a module prints where packages of this name are not installed. */
async function without(name: string, script: string): Promise<string> {
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) =>
      next(name, name === '${name}' ? { ...context, parentURL: 'file:///nowhere/x.js' } : context) })`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, '--input-type=module', '-e', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  return stdout.trim()
}

it('is named where it is missing', async () => {
  const script = `
    const { openGraphPlace } = await import('./src/graph-place.ts')
    const error = await openGraphPlace('bolt://neo4j:hunter2@127.0.0.1:1').catch((thrown) => thrown)
    console.log(error.name, error.code, error.message)`
  const said = await without('neo4j-driver', script)
  expect(said).toMatch(/^ConfigError E_CONFIG_DRIVER .*neo4j-driver.*npm install/)
  expect(said).not.toContain('hunter2')
})

it('is not needed by the package', async () => {
  const script = "const { Defacto } = await import('./src/index.ts'); console.log(typeof Defacto.open)"
  expect(await without('neo4j-driver', script)).toBe('function')
})
