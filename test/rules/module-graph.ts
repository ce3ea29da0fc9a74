/** Which project files depend on which, read from their import statements; loaded sources with types stripped. */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g
const sources = new Map<string, string>()

/** Text of a project file, read once. */
export function sourceOf(path: string): string {
  let text = sources.get(path)
  if (text === undefined) {
    text = readFileSync(path, 'utf8')
    sources.set(path, text)
  }
  return text
}

/** Runnable JavaScript of a TypeScript text; line numbers stay as they are. */
export function strip(text: string): string {
  return stripTypeScriptTypes(text, { mode: 'strip' })
}

/** Project files that `path` imports, types included, static and dynamic. */
function importsOf(path: string): string[] {
  return [...sourceOf(path).matchAll(IMPORT)].map((match) => join(dirname(path), match[2] as string))
}

/**
 * Files reachable from `entry` that depend on `target`, `target` and `entry` included. Only these need a second
 * instance when `target` changes; all other modules can be shared between the original and its mutants.
 */
export function dependents(entry: string, target: string): Set<string> {
  const importers = new Map<string, string[]>()
  const seen = new Set([entry])
  for (const path of seen) {
    for (const imported of importsOf(path)) {
      importers.set(imported, [...(importers.get(imported) ?? []), path])
      if (isSource(imported)) seen.add(imported)
    }
  }
  const affected = new Set([target, entry])
  for (const path of affected) for (const importer of importers.get(path) ?? []) affected.add(importer)
  return affected
}

function isSource(path: string): boolean {
  if (!path.endsWith('.ts')) return false
  try {
    sourceOf(path)
    return true
  } catch {
    return false
  }
}
