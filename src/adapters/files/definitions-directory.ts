/** The directory form of definitions (spec 01 §1.2): reading it, and writing one file per definition. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DefinitionFile } from '../../core/definition/load-yaml.ts'
import type { Issue } from '../../core/definition/model.ts'
import type { Kind } from '../../core/definition/shape.ts'
import { DefinitionError } from '../../errors.ts'

/** Subdirectories in reading order; `events` is the second name of `schemas`. */
const DIRECTORIES: readonly (readonly [string, Kind])[] = [
  ['entities', 'entities'],
  ['sources', 'sources'],
  ['schemas', 'schemas'],
  ['events', 'schemas'],
  ['pipelines', 'pipelines'],
]

export interface DirectoryContent {
  files: DefinitionFile[]
  /** W11 for what is ignored, E32 for what cannot be read. */
  issues: Issue[]
}

/**
 * Reads all definition files below `path`. Nothing is created. Rejects with `DefinitionError` if the path does not
 * exist or holds none of the directories; everything else becomes an issue.
 */
export async function readDefinitionsDirectory(path: string): Promise<DirectoryContent> {
  if (!(await isDirectory(path))) throw missing(`project directory '${path}' does not exist`)
  const content: DirectoryContent = { files: [], issues: [] }
  let found = false
  for (const [name, kind] of DIRECTORIES) {
    if (!(await isDirectory(join(path, name)))) continue
    found = true
    await readKind(path, name, kind, content)
  }
  if (found) return content
  const names = DIRECTORIES.map(([name]) => `${name}/`).join(', ')
  throw missing(`'${path}' is no project directory: it holds none of ${names}`)
}

function missing(message: string): DefinitionError {
  const issue: Issue = { severity: 'error', code: 'E32', path: '', message, place: null }
  return new DefinitionError(message, { details: { errors: [`E32 ${message}`], issues: [issue] } })
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

async function readKind(root: string, directory: string, kind: Kind, content: DirectoryContent): Promise<void> {
  const report = (code: 'E32' | 'W11', name: string, message: string): void => {
    const severity = code === 'E32' ? 'error' : 'warning'
    content.issues.push({ severity, code, path: name, message, place: name })
  }
  let names: string[]
  try {
    names = await readdir(join(root, directory))
  } catch (error) {
    return report('E32', `${directory}/`, `cannot read the files of '${directory}/': ${reason(error)}`)
  }
  // Code unit order: the same on every machine, whatever its locale.
  for (const file of names.sort()) {
    const name = `${directory}/${file}`
    try {
      const about = await stat(join(root, name))
      if (about.isDirectory()) report('W11', name, `subdirectory '${name}' is ignored: files are not read recursively`)
      else if (!about.isFile() || !/\.ya?ml$/.test(file)) {
        report('W11', name, `file '${name}' is ignored: only .yaml and .yml are read`)
      } else content.files.push({ kind, name, text: decode(await readFile(join(root, name))) })
    } catch (error) {
      report('E32', name, `cannot read file '${name}': ${reason(error)}`)
    }
  }
}

/** UTF-8, strictly: a wrong byte would otherwise silently become another name. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function reason(error: unknown): string {
  if (error instanceof TypeError) return 'it is not valid UTF-8'
  const code = (error as NodeJS.ErrnoException).code
  return code ?? 'unknown reason'
}

/**
 * Writes texts as `<dir>/<kind>/<name>.yaml`, making the directories. Files that are there already are replaced, others
 * are left alone.
 */
export async function writeDefinitionsDirectory(
  dir: string,
  definitions: readonly { kind: Kind; name: string; text: string }[],
): Promise<void> {
  const taken = new Set<string>()
  for (const { kind, name, text } of definitions) {
    await mkdir(join(dir, kind), { recursive: true })
    const base = `${kind}/${fileName(name)}`
    let file = base
    // File systems that ignore case would make one file of two names.
    for (let i = 2; taken.has(file.toLowerCase()); i++) file = `${base}-${i}`
    taken.add(file.toLowerCase())
    await writeFile(join(dir, `${file}.yaml`), text)
  }
}

/** A name as a file name: whatever is special to some file system is percent-encoded (its UTF-8 bytes). */
function fileName(name: string): string {
  const encode = (c: string): string =>
    [...new TextEncoder().encode(c)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  return name.replace(/[^A-Za-z0-9_-]/gu, encode).slice(0, 200)
}
