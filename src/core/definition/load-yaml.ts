/** Definition sets from YAML texts (spec 01 §1.2), every value with its `file:line:column`. Pure: reading files is not done here. */
import { Issues, type Places } from './issues.ts'
import { type Loaded, loaded, NOUNS, readKinds } from './load.ts'
import type { Issue } from './model.ts'
import { type Path, pathText } from './path.ts'
import { isMap, kindWords } from './plain.ts'
import { reportUnknown } from './read.ts'
import { KINDS, type Kind } from './shape.ts'
import { parseYamlTree, type YamlTree } from './yaml-tree.ts'

export interface DefinitionFile {
  /** What the names at the top of the file define. `events/` holds schemas. */
  kind: Kind
  /** Name for messages, e.g. `entities/shop.yaml`. */
  name: string
  text: string
}

/**
 * Reads the files of a project in the given order. `found` are issues of reading the directory (unreadable files,
 * ignored ones), put in front.
 */
export function fromYamlFiles(files: readonly DefinitionFile[], found: readonly Issue[] = []): Loaded {
  const tops = new Map<string, { file: string; tree: YamlTree }>()
  const places = new FilePlaces(tops)
  const issues = new Issues(places)
  issues.list.push(...found)
  const kinds: Record<Kind, Record<string, unknown>> = { entities: {}, sources: {}, schemas: {}, pipelines: {} }
  // What a lost file defined is unknown: findings about absent names would mislead.
  let lost = found.some((issue) => issue.severity === 'error')
  for (const { kind, name: file, text } of files) {
    const tree = parseYamlTree(text)
    reportFaults(tree, file, issues)
    lost ||= tree.value === undefined && tree.faults.length > 0
    if (tree.value === undefined || tree.value === null) continue
    if (!isMap(tree.value)) {
      const message = `file '${file}': expected a map of ${kind} by name, found ${kindWords(tree.value)}`
      issues.list.push(issueAt('E01', file, message, file, 1, 1))
      lost = true
      continue
    }
    const body = tree.value
    for (const name of Object.keys(body)) {
      const key = pathText([kind, name])
      const { line, column } = tree.position(tree.marks.get(body)?.key.get(name) ?? 0)
      const earlier = tops.get(key)
      if (earlier) {
        const message = `Duplicate ${NOUNS[kind]} '${name}': it is defined in '${earlier.file}' already`
        issues.list.push(issueAt('E32', key, message, file, line, column))
        continue
      }
      tops.set(key, { file, tree })
      Object.defineProperty(kinds[kind], name, { value: body[name], enumerable: true })
    }
  }
  const definitions = readKinds(kinds, issues)
  return loaded(definitions, issues, places, lost)
}

/** Reads one text in object form: a map of `entities`, `sources`, `schemas`, `pipelines`. */
export function fromYamlText(text: string, file = 'definitions.yaml'): Loaded {
  const tree = parseYamlTree(text)
  const places: Places = { at: (path, part) => placeIn(tree, file, tree.value, path, part ?? 'value') }
  const issues = new Issues(places)
  reportFaults(tree, file, issues)
  const value = tree.value ?? {}
  if (isMap(value)) reportUnknown(value, new Set(KINDS), [], issues)
  else issues.list.push(issueAt('E01', '', `expected a map of definitions, found ${kindWords(value)}`, file, 1, 1))
  const definitions = readKinds(isMap(value) ? value : {}, issues)
  return loaded(definitions, issues, places, tree.value === undefined)
}

function reportFaults(tree: YamlTree, file: string, issues: Issues): void {
  for (const { code, message, line, column } of tree.faults) {
    issues.list.push(issueAt(code, file, `file '${file}': ${message}`, file, line, column))
  }
}

function issueAt(code: string, path: string, message: string, file: string, line: number, column: number): Issue {
  return { severity: 'error', code, path, message, place: `${file}:${line}:${column}` }
}

/** Finds places by walking the data the file gave; the nearest known ancestor stands in for what is absent. */
class FilePlaces implements Places {
  readonly #tops: ReadonlyMap<string, { file: string; tree: YamlTree }>

  constructor(tops: ReadonlyMap<string, { file: string; tree: YamlTree }>) {
    this.#tops = tops
  }

  at(path: Path, part: 'key' | 'value' = 'value'): string | null {
    const top = this.#tops.get(pathText(path.slice(0, 2)))
    return top ? placeIn(top.tree, top.file, top.tree.value, path.slice(1), part) : null
  }
}

function placeIn(tree: YamlTree, file: string, root: unknown, path: Path, part: 'key' | 'value'): string | null {
  let node = root
  let offset: number | undefined
  for (const [i, segment] of path.entries()) {
    const marks = typeof node === 'object' && node !== null ? tree.marks.get(node) : undefined
    const last = i === path.length - 1
    const found = (last && part === 'key' ? marks?.key.get(segment) : undefined) ?? marks?.value.get(segment)
    if (found === undefined) break
    offset = found
    node = (node as Record<string | number, unknown>)[segment]
  }
  if (offset === undefined) return null
  const { line, column } = tree.position(offset)
  return `${file}:${line}:${column}`
}
