/**
 * Reading user data along the model of `shape.ts` into canonical form (spec 01 §1.4, §6): nulls and empty parts left
 * out, defaults of `match` and `by` filled in, `create` as a text, single texts as lists. Never throws: what cannot be
 * used is reported and left out, so that all other findings of the same set are still made.
 */
import { z } from 'zod'
import { parseDurationText } from '../instant.ts'
import { didYouMean } from '../spelling.ts'
import type { Issues } from './issues.ts'
import { type Path, pathText } from './path.ts'
import { copyPlain, isMap, kindWords } from './plain.ts'
import { variantReader } from './read-variants.ts'
import { type Rule, rules, variants } from './rules.ts'
import { effectBodies, timeRuleEffect } from './shape.ts'

/** Gives the canonical value, or undefined after reporting why there is none. */
export type Read = (raw: unknown, path: Path, issues: Issues) => unknown

const compiled = new WeakMap<z.core.$ZodType, Read>()

/** The reader of a node of the model. */
export function readerOf(node: z.core.$ZodType): Read {
  let read = compiled.get(node)
  if (read === undefined) {
    read = make(node)
    compiled.set(node, read)
  }
  return read
}

function make(node: z.core.$ZodType): Read {
  const rule = rules.get(node) ?? {}
  if (rule.read === 'effect') return effectReader(node)
  if (rule.read === 'texts') return readTexts
  if (rule.read === 'literal') return readLiteral
  if (rule.read === 'duration') return durationReader(rule)
  if (rule.read === 'copied') return copiedReader(node as z.ZodObject)
  const kinds = variants.get(node)
  if (kinds) return variantReader(kinds, objectReader)
  if (node instanceof z.ZodOptional || node instanceof z.ZodNullable) return readerOf(node.unwrap())
  if (node instanceof z.ZodObject) return objectReader(node)
  if (node instanceof z.ZodRecord) return recordReader(readerOf(node.valueType), rule, node.valueType)
  if (node instanceof z.ZodArray) return listReader(readerOf(node.element), rule)
  if (node instanceof z.ZodEnum) return choiceReader(node.options.map(String), rule)
  return leafReader(node, rule)
}

function wrong(issues: Issues, path: Path, expected: string, raw: unknown, rule: Rule = {}): undefined {
  const found = `, found ${kindWords(raw)}`
  issues.add(rule.wrong?.code ?? 'E01', path, (rule.wrong?.message ?? `expected ${expected}`) + found)
}

/** The node below the wrappers that only say "may be absent". */
function core(node: z.core.$ZodType): z.core.$ZodType {
  return node instanceof z.ZodOptional || node instanceof z.ZodNullable ? core(node.unwrap()) : node
}

interface Field {
  key: string
  read: Read
  required: boolean
  rule: Rule
}

/** `missing` reports an absent key, if not as E02. */
function objectReader(node: z.ZodObject, missing?: (key: string, path: Path, issues: Issues) => void): Read {
  const fields: Field[] = Object.entries(node.shape).map(([key, child]) => ({
    key,
    read: readerOf(core(child)),
    required: !(child instanceof z.ZodOptional),
    rule: rules.get(core(child)) ?? {},
  }))
  const keys = new Set(fields.map((f) => f.key))
  return (raw, path, issues) => {
    if (!isMap(raw)) return wrong(issues, path, 'a map', raw)
    const out: Record<string, unknown> = {}
    for (const { key, read, required, rule } of fields) {
      const given = Object.hasOwn(raw, key) ? raw[key] : undefined
      if (given === undefined || (given === null && !rule.keepsNull)) {
        if (required && missing) missing(key, path, issues)
        else if (required) issues.add('E02', path, `missing required field '${key}'`, 'key')
        else if (rule.fill !== undefined) out[key] = rule.fill
        continue
      }
      const value = read(given, [...path, key], issues)
      if (value !== undefined && (required || !isEmpty(value))) out[key] = value
    }
    reportUnknown(raw, keys, path, issues)
    return out
  }
}

/** W09 for keys the model does not know; `description` and `x-…` are everybody's. */
export function reportUnknown(raw: object, keys: ReadonlySet<string>, path: Path, issues: Issues): void {
  for (const key of Object.keys(raw)) {
    if (keys.has(key) || key === 'description' || key.startsWith('x-')) continue
    issues.add('W09', [...path, key], `unknown key '${key}' is ignored${didYouMean(key, keys)}`, 'key')
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/** Maps from names the user chose. A null body is an empty one; a name with an unusable body stays known. */
function recordReader(read: Read, rule: Rule, valueNode: z.core.$ZodType): Read {
  const isBody = core(valueNode) instanceof z.ZodObject || variants.has(core(valueNode))
  // Elsewhere names are free text, and `x-request-id` or a field called `description` is one.
  const isNote = (name: string, value: unknown): boolean =>
    (rule.extras === true && name.startsWith('x-')) || (isBody && name === 'description' && typeof value === 'string')
  return (raw, path, issues) => {
    if (!isMap(raw)) return wrong(issues, path, 'a map', raw, rule)
    const out: Record<string, unknown> = {}
    const names = Object.keys(raw).filter((name) => !isNote(name, raw[name]))
    if (names.length === 0 && rule.empty) issues.add(rule.empty.code, path, rule.empty.message)
    for (const name of names) {
      const here = [...path, name]
      if (name === '__proto__') issues.add('E04', here, "invalid name '__proto__': it is reserved", 'key')
      else if (raw[name] === undefined || (raw[name] === null && !isBody)) continue
      else {
        const value = read(raw[name] ?? {}, here, issues)
        if (value !== undefined || isBody) out[name] = value ?? {}
      }
    }
    for (const name of isBody ? [] : Object.keys(out)) if (isEmpty(out[name])) delete out[name]
    return out
  }
}

function listReader(read: Read, rule: Rule): Read {
  return (raw, path, issues) => {
    if (!Array.isArray(raw)) return wrong(issues, path, 'a list', raw, rule)
    if (raw.length === 0 && rule.empty) issues.add(rule.empty.code, path, rule.empty.message)
    const items = Array.from(raw, (item: unknown, i) => read(item, [...path, i], issues))
    const kept = items.filter((item) => item !== undefined)
    if (kept.length < items.length) {
      givenIndexes.set(
        kept,
        [...items.keys()].filter((i) => items[i] !== undefined),
      )
    }
    return kept
  }
}

const givenIndexes = new WeakMap<object, number[]>()

/** Where an item of a canonical list stood in the user's, before unusable items were left out. */
export function givenIndex(list: readonly unknown[], index: number): number {
  return givenIndexes.get(list)?.[index] ?? index
}

function choiceReader(options: readonly string[], rule: Rule): Read {
  const list = options.join(', ')
  return (raw, path, issues) => {
    if (typeof raw !== 'string') return wrong(issues, path, `one of ${list}`, raw)
    if (options.includes(raw)) return raw
    const noun = rule.noun ?? 'unknown value'
    issues.add(rule.code ?? 'E03', path, `${noun} '${raw}': expected one of ${list}${didYouMean(raw, options)}`)
    return undefined
  }
}

function leafReader(node: z.core.$ZodType, rule: Rule): Read {
  const expected =
    node instanceof z.ZodNumber
      ? (node.format ?? '').includes('int')
        ? 'a whole number, zero or more'
        : 'a finite number'
      : node instanceof z.ZodBoolean
        ? 'true or false'
        : 'text'
  return (raw, path, issues) => {
    if (raw === '' && rule.empty) return void issues.add(rule.empty.code, path, rule.empty.message)
    if (z.core.safeParse(node, raw).success) return raw
    if (rule.outside && typeof raw === 'number') {
      return void issues.add(rule.outside.code, path, `${raw} is ${rule.outside.message}`)
    }
    const quote =
      expected === 'text' && (typeof raw === 'number' || typeof raw === 'boolean') ? ' (put it in quotes)' : ''
    return wrong(issues, path, expected + quote, raw, rule)
  }
}

const readLiteral: Read = (raw, path, issues) => {
  if (raw === null || typeof raw === 'string' || typeof raw === 'boolean') return raw
  if (typeof raw === 'number' && Number.isFinite(raw)) return raw
  return wrong(issues, path, 'a literal (text, finite number, true or false)', raw)
}

const readTexts: Read = (raw, path, issues) => {
  if (typeof raw === 'string') return [raw]
  if (!Array.isArray(raw)) return wrong(issues, path, 'a field name or a list of field names', raw)
  return Array.from(raw as unknown[]).filter((item, i) => {
    if (typeof item !== 'string') wrong(issues, [...path, i], 'a field name', item)
    return typeof item === 'string'
  })
}

/** E06 unless the text is a duration; above zero, where the rule does not say otherwise. */
function durationReader(rule: Rule): Read {
  const least = rule.zero ? 'a number' : 'a number above zero'
  return (raw, path, issues) => {
    if (typeof raw !== 'string') return wrong(issues, path, 'a duration', raw, rule)
    const duration = parseDurationText(raw)
    if (duration !== null && (duration.ms > 0 || rule.zero)) return raw
    issues.add('E06', path, `invalid duration '${raw}': expected ${least} and one of d, h, m, s, as in '30d'`)
    return undefined
  }
}

/** The known keys as they are written: reading them makes the findings, and whoever uses them reads them again. */
function copiedReader(node: z.ZodObject): Read {
  const keys = new Set(Object.keys(node.shape))
  const read = objectReader(node, (key, path, issues) => {
    const reported = pathText([...path, key])
    if (issues.list.some((issue) => issue.path === reported)) return
    issues.add('E02', path, `missing required field '${key}'`, 'key')
  })
  return (raw, path, issues) => {
    if (!isMap(raw)) return wrong(issues, path, 'a map', raw)
    const all: Record<string, unknown> = {}
    const out: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(raw)) {
      if (!keys.has(key) || value === undefined || value === null) {
        all[key] = null
        continue
      }
      const copy = copyPlain(value)
      if (typeof copy !== 'string') {
        all[key] = copy.value
        out[key] = copy.value
      } else {
        all[key] = null
        issues.add(copy.startsWith('invalid name') ? 'E04' : 'E01', [...path, key], copy)
      }
    }
    read(all, path, issues)
    return out
  }
}

/** `create`, or a map with exactly one key that names the kind (spec 01 §2.4). */
function effectReader(node: z.core.$ZodType): Read {
  const inRule = node === timeRuleEffect
  const kinds = inRule ? ['transition', 'set', 'increment'] : ['create', 'transition', 'set', 'increment', 'relate']
  const bodies = new Map(Object.entries(effectBodies).map(([kind, body]) => [kind, readerOf(body)]))
  const unknown = (kind: string, path: Path, issues: Issues): undefined => {
    const place = inRule ? ' in a time rule' : ''
    issues.add('E03', path, `unknown effect '${kind}'${place}: expected ${kinds.join(', ')}${didYouMean(kind, kinds)}`)
  }
  return (raw, path, issues) => {
    if (typeof raw === 'string') {
      if (!kinds.includes(raw)) return unknown(raw, path, issues)
      if (raw === 'create') return 'create'
      return void issues.add('E01', path, `expected a map '${raw}: {…}', found the text '${raw}'`)
    }
    if (!isMap(raw)) return wrong(issues, path, "an effect ('create' or a map with one key)", raw)
    const given = Object.keys(raw).filter((key) => key !== 'description' && !key.startsWith('x-'))
    const [kind] = given
    if (kind === undefined || given.length > 1) {
      return void issues.add('E01', path, `expected a map with exactly one key, found ${given.length}`)
    }
    if (!kinds.includes(kind)) return unknown(kind, path, issues)
    const here = [...path, kind]
    if (kind === 'create') {
      if (raw[kind] === null || raw[kind] === undefined) return 'create'
      if (!isMap(raw[kind])) return wrong(issues, here, 'no options', raw[kind])
      reportUnknown(raw[kind], new Set(), here, issues)
      return 'create'
    }
    const body = bodies.get(kind)!(raw[kind], here, issues)
    return body === undefined ? undefined : { [kind]: body }
  }
}
