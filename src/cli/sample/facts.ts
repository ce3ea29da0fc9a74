/**
 * What a finished space looks like, told by business keys. Entity ids are random and differ from run to run; an e-mail
 * address or an invoice number does not, so two spaces with the same facts have the same history.
 */
import { createHash } from 'node:crypto'
import type { Defacto } from '../../index.ts'
import { jsonText } from '../json.ts'

type Row = Readonly<Record<string, unknown>>

/** The properties that name an entity of a type, best first. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  customer: ['account_id', 'billing_id', 'phone', 'email'],
  subscription: ['subscription_no'],
  invoice: ['invoice_no'],
  ticket: ['ticket_no'],
}
export const ENTITY_TYPES: readonly string[] = Object.keys(KEYS)

export interface SpaceFacts {
  readonly merges: number
  /** Current entities by type and state. */
  readonly entities: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly historyRows: Readonly<Record<string, number>>
  readonly edges: number
  /** SHA-256 over all history rows and edges by business key. */
  readonly digest: string
}

export async function factsOf(defacto: Defacto): Promise<SpaceFacts> {
  const names = new Map<string, string>()
  const entities: Record<string, Record<string, number>> = {}
  let merges = 0
  for (const type of ENTITY_TYPES) {
    const states: Record<string, number> = {}
    for await (const row of defacto.table(type).stream() as AsyncIterable<Row>) {
      const id = String(row[`${type}_id`])
      names.set(id, nameOf(type, row))
      const state = String(row[`${type}_state`])
      states[state] = (states[state] ?? 0) + 1
      merges += await mergedInto(defacto, id)
    }
    entities[type] = sorted(states)
  }
  const lines: string[] = []
  const historyRows: Record<string, number> = {}
  for (const type of ENTITY_TYPES) {
    historyRows[type] = 0
    for await (const row of defacto.history(type).stream() as AsyncIterable<Row>) {
      const { [`${type}_id`]: id, merged_into: _, ...facts } = row
      lines.push(`${type} ${names.get(String(id))} ${jsonText(sorted(facts))}`)
      historyRows[type] += 1
    }
  }
  let edges = 0
  for await (const row of defacto.relationships({ history: true }).stream() as AsyncIterable<Row>) {
    const ends = [row['source_id'], row['target_id']].map((id) => names.get(String(id)) ?? 'unseen')
    lines.push(`edge ${row['relationship_type']} ${ends.join(' ')} ${row['valid_from']} ${row['valid_to'] ?? ''}`)
    edges += 1
  }
  const hash = createHash('sha256')
  for (const line of lines.sort()) hash.update(`${line}\n`)
  return { merges, entities, historyRows, edges, digest: hash.digest('hex') }
}

/** Ids merged into this one, directly or through others: which of several ids wins is chance, their number is not. */
async function mergedInto(defacto: Defacto, id: string): Promise<number> {
  let count = 0
  const open = [id]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const { mergedEntity } of await defacto.identity.merges(next)) {
      count += 1
      open.push(mergedEntity)
    }
  }
  return count
}

function nameOf(type: string, row: Row): string {
  const key = KEYS[type]?.find((name) => row[name] !== null && row[name] !== undefined)
  return key === undefined ? `unnamed since ${row['created_time']}` : `${key}=${row[key]}`
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
