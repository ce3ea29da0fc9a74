/** Finding and reading `defacto.config.yaml`, `.ts` or `.js` (spec 10 §7.2). */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../errors.ts'

const NAMES = ['defacto.config.yaml', 'defacto.config.yml', 'defacto.config.ts', 'defacto.config.js']
const DEFINITION_FOLDERS = ['entities', 'sources']

export interface ConfigFile {
  readonly path: string
  readonly value: unknown
  /** `defacto.config.yaml:3:11` of a key path as the file spells it; the file alone where positions are unknown. */
  readonly place: (spelled: readonly string[]) => string
}

/** The config file of a folder; two of them are an error. */
function configIn(folder: string): string | null {
  const found = NAMES.filter((name) => existsSync(join(folder, name)))
  if (found.length > 1) throw new ConfigError(`${folder} has two configuration files: ${found.join(', ')}; keep one`)
  return found[0] === undefined ? null : join(folder, found[0])
}

/** The configuration of a folder or of the nearest one above it; null if there is none. */
export function findConfig(folder: string): string | null {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = configIn(at)
    if (found !== null) return found
    if (dirname(at) === at) return null
  }
}

/** True if the folder itself holds definitions (spec 01 §1.2). */
export function holdsDefinitions(folder: string): boolean {
  return DEFINITION_FOLDERS.some((name) => isFolder(join(folder, name)))
}

/** The folder a command works on: the nearest one, at or above `start`, with a configuration or definitions; else `start`. */
export function findRoot(start: string): string {
  for (let at = resolve(start); ; at = dirname(at)) {
    if (NAMES.some((name) => existsSync(join(at, name))) || holdsDefinitions(at)) return at
    if (dirname(at) === at) return resolve(start)
  }
}

export async function readConfig(path: string): Promise<ConfigFile> {
  if (!existsSync(path)) throw new ConfigError(`the configuration file ${path} does not exist`)
  if (isFolder(path)) throw new ConfigError(`${path} is a folder; a configuration file is needed`)
  return /\.ya?ml$/.test(path) ? readYaml(path) : readModule(path)
}

async function readYaml(path: string): Promise<ConfigFile> {
  const { LineCounter, isMap, isNode, isScalar, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(readText(path), { lineCounter: lines, version: '1.2', merge: true })
  const name = basename(path)
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return name
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const problem = document.errors[0]
  if (problem) {
    const what = problem.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')
    throw new ConfigError(`${at(problem.pos[0])}: ${what}`, { cause: problem })
  }
  const place = (spelled: readonly string[]): string => {
    let node: unknown = document.contents
    let offset: number | undefined
    for (const key of spelled) {
      const pair = isMap(node) ? node.items.find(({ key: k }) => isScalar(k) && String(k.value) === key) : undefined
      if (!pair) break
      if (isNode(pair.key)) offset = pair.key.range?.[0]
      node = pair.value
    }
    return at(offset)
  }
  return { path, value: document.toJS() as unknown, place }
}

function readText(path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new ConfigError(`the configuration file ${path} cannot be read: ${code}`, { cause: error })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new ConfigError(`the configuration file ${path} is not valid UTF-8`, { cause: error })
  }
}

async function readModule(path: string): Promise<ConfigFile> {
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(path).href)) as Record<string, unknown>
  } catch (error) {
    throw new ConfigError(
      `${basename(path)} cannot be loaded: ${error instanceof Error ? error.message : 'unknown reason'}`,
      {
        cause: error,
      },
    )
  }
  const exported = module['default'] ?? module['config']
  const value = typeof exported === 'function' ? await (exported as () => unknown)() : exported
  if (value === undefined) throw new ConfigError(`${basename(path)} has no default export`)
  return { path, value, place: () => basename(path) }
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
