/** Canonical JSON, the three hashes and the content name of a definition set (spec 01 §6). */
import { hash } from 'node:crypto'
import type { DefinitionHashes, DefinitionsObject, IdentityDef } from './model.ts'

/**
 * JSON with keys sorted by code point, no blanks and everything beyond printable ASCII escaped. List order counts, key
 * order does not. Members that are undefined are left out. The value must be acyclic plain data.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => compareCodePoints(a, b))
    return `{${members.map(([key, member]) => `${ascii(key)}:${canonicalJson(member)}`).join(',')}}`
  }
  return typeof value === 'string' ? ascii(value) : JSON.stringify(value ?? null)
}

function ascii(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** UTF-16 order differs from code point order only where a surrogate meets a unit above the surrogates. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

const sha256 = (value: unknown): string => hash('sha256', canonicalJson(value))

/** A map without its empty kinds: an empty kind is the same as none. */
function present<T extends object>(kinds: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(kinds).filter(([, kind]) => Object.keys(kind as object).length > 0),
  ) as Partial<T>
}

/** Lower-case hex SHA-256 of what each kind of rebuild depends on. Pipelines take no part. */
export function hashesOf(definitions: DefinitionsObject): DefinitionHashes {
  const { entities, sources, schemas } = definitions
  const identity: Record<string, Record<string, IdentityDef>> = {}
  for (const [name, entity] of Object.entries(entities)) identity[name] = entity.identity
  return {
    definitionHash: sha256(entities),
    sourceHash: sha256(present({ sources, schemas })),
    identityHash: sha256(identity),
  }
}

/** Name of an unnamed version: 8 hex digits over everything but the pipelines. */
export function versionName(definitions: DefinitionsObject): string {
  const { entities, sources, schemas } = definitions
  return sha256(present({ entities, sources, schemas })).slice(0, 8)
}
