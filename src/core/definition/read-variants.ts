/**
 * Reading maps whose kind decides which further keys they take: inputs, steps, checks and alert targets of pipelines
 * (spec 10 §3). P02 for keys that are missing for the kind or belong to another one, P03 for kinds.
 */
import { z } from 'zod'
import { didYouMean } from '../spelling.ts'
import type { Issues } from './issues.ts'
import type { Path } from './path.ts'
import { isMap, kindWords } from './plain.ts'
import type { Read } from './read.ts'
import type { Variants } from './rules.ts'

/** What `read.ts` reads a body of known keys with. */
type Fields = (node: z.ZodObject, missing: (key: string, path: Path, issues: Issues) => void) => Read

/** Canonical value of a variant told by its only key. */
export interface Variant {
  readonly kind: string
  readonly body: Readonly<Record<string, unknown>>
}

export function variantReader(variants: Variants, fields: Fields): Read {
  const { noun, key } = variants
  const bodies = new Map(Object.keys(variants.of).map((kind) => [kind, bodyReader(variants, kind, fields)]))
  const kinds = [...bodies.keys()].filter((kind) => kind !== variants.told)
  const refuse = (kind: string, path: Path, issues: Issues): undefined => {
    if (variants.later?.includes(kind)) {
      const offered = `expected one of ${kinds.join(', ')}`
      issues.add('P03', path, `${noun} '${kind}' is not available in this version of the package: ${offered}`)
    } else {
      issues.add(
        'P03',
        path,
        `unknown ${noun} kind '${kind}': expected one of ${kinds.join(', ')}${didYouMean(kind, kinds)}`,
      )
    }
  }
  const keyed: Read = (raw, path, issues) => {
    if (!isMap(raw)) return void issues.add('E01', path, `expected a map, found ${kindWords(raw)}`)
    const given = raw[key as string]
    const told = variants.told
    if (given === undefined || given === null) {
      if (told !== undefined && raw[told] !== undefined) return bodies.get(told)!(raw, path, issues)
      const wanted = told === undefined ? `'${key}'` : `'${key}' or '${told}'`
      return void issues.add('E02', path, `missing required field ${wanted}`, 'key')
    }
    if (typeof given !== 'string') {
      return void issues.add('E01', [...path, key as string], `expected text, found ${kindWords(given)}`)
    }
    const read = given === told ? undefined : bodies.get(given)
    return read === undefined ? refuse(given, [...path, key as string], issues) : read(raw, path, issues)
  }
  if (key !== null) return keyed
  return (raw, path, issues) => {
    if (typeof raw === 'string' && variants.bare) {
      if (!bodies.has(raw)) return refuse(raw, path, issues)
      return { kind: raw, body: bodies.get(raw)!({}, path, issues) ?? {} }
    }
    const expected = `${variants.bare ? `a ${noun} kind or ` : ''}a map with exactly one of ${kinds.join(', ')}`
    if (!isMap(raw)) return void issues.add('E01', path, `expected ${expected}, found ${kindWords(raw)}`)
    const given = Object.keys(raw).filter((name) => name !== 'description' && !name.startsWith('x-'))
    const [kind] = given
    if (kind === undefined || given.length > 1) {
      return void issues.add('E01', path, `expected ${expected}, found ${given.length} keys`)
    }
    const read = bodies.get(kind)
    if (read === undefined) return refuse(kind, path, issues)
    const body = read(raw[kind] ?? {}, [...path, kind], issues)
    return body === undefined ? undefined : { kind, body }
  }
}

/** The reader of one kind's body. */
function bodyReader(variants: Variants, kind: string, fields: Fields): Read {
  const { noun } = variants
  const node = variants.of[kind]!
  const owners = new Map<string, string[]>()
  for (const [other, { shape }] of Object.entries(variants.of)) {
    for (const name of Object.keys(shape)) owners.set(name, [...(owners.get(name) ?? []), other])
  }
  const all = Object.values(variants.of)
  const read = fields(node, (name, path, issues) => {
    if (all.every(({ shape }) => name in shape && !(shape[name] instanceof z.ZodOptional)))
      issues.add('E02', path, `missing required field '${name}'`, 'key')
    else issues.add('P02', path, `${noun} kind '${kind}' requires '${name}'`, 'key')
  })
  return (raw, path, issues) => {
    if (!isMap(raw)) return void issues.add('E01', path, `expected a map, found ${kindWords(raw)}`)
    const own: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(raw)) {
      const foreign = !Object.hasOwn(node.shape, name) && owners.has(name)
      if (!foreign) own[name] = value
      else if (value !== undefined && value !== null) {
        issues.add(
          'P02',
          [...path, name],
          `'${name}' only applies to ${owners.get(name)!.join(', ')}, not to ${kind}`,
          'key',
        )
      }
    }
    return read(own, path, issues)
  }
}
