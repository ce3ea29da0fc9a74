/** Values on their way to Neo4j and back: whole numbers are 64-bit integers there, instants DateTime. */
import type { PropertyType } from '../../core/definition/model.ts'
import { instantFromText } from '../../core/instant.ts'
import type { Neo4j } from './driver.ts'

export type ToNeo4j = (value: unknown) => unknown

/** For values of spec 06 §1; null stays null. */
export function toNeo4j(neo4j: Neo4j, type: PropertyType | 'unknown'): ToNeo4j {
  if (type === 'integer') return (value) => (value === null ? null : BigInt(value as number | bigint))
  if (type === 'datetime') return (value) => (value === null ? null : dateTime(neo4j, value as string))
  return (value) => value
}

const CANONICAL = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)$/

function dateTime(neo4j: Neo4j, text: string): unknown {
  const match = CANONICAL.exec(text)
  if (match === null) throw new TypeError('an instant that is not canonical')
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const nanosecond = Number((match[7] ?? '').padEnd(9, '0'))
  return new neo4j.types.DateTime(year, month, day, hour, minute, second, nanosecond, 0)
}

/**
 * Any value of Neo4j as plain JavaScript: instants as canonical text, other times and durations as ISO text, whole numbers
 * as numbers (bigint beyond the safe range), nodes as `{labels, properties}`, edges as `{type, properties}`, paths as
 * `{nodes, relationships}`.
 */
export function fromNeo4j(neo4j: Neo4j, value: unknown): unknown {
  const plain = (inner: unknown): unknown => fromNeo4j(neo4j, inner)
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return wholeNumber(value)
  if (typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(plain)
  if (neo4j.isDateTime(value)) {
    // Microseconds are as fine as instants get.
    const text = String(value)
      .replace(/(\.\d{6})\d+/, '$1')
      .replace(/\[[^\]]*\]$/, '')
    return instantFromText(text)?.toString() ?? String(value)
  }
  if (neo4j.isDate(value) || neo4j.isLocalDateTime(value) || neo4j.isTime(value) || neo4j.isLocalTime(value)) {
    return String(value)
  }
  if (neo4j.isDuration(value)) return String(value)
  if (neo4j.isNode(value)) return { labels: [...value.labels], properties: plain(value.properties) }
  if (neo4j.isRelationship(value)) return { type: value.type, properties: plain(value.properties) }
  if (neo4j.isPath(value)) {
    return {
      nodes: [plain(value.start), ...value.segments.map((segment) => plain(segment.end))],
      relationships: value.segments.map((segment) => plain(segment.relationship)),
    }
  }
  if (value instanceof Int8Array || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

function wholeNumber(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
