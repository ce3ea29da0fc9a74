/** Seeded records for the shop of spec 01 §7: late, repeated and failing ones, and people known by several cards. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const FOLDER = join(import.meta.dirname, '../fixtures/definitions/shop')

export interface ShopDefinitions {
  entities: Record<string, never>
  sources: Record<string, never>
}

export function shopDefinitions(): ShopDefinitions {
  const load = (kind: string): object => {
    const files = readdirSync(join(FOLDER, kind))
    return Object.assign({}, ...files.map((name) => parse(readFileSync(join(FOLDER, kind, name), 'utf8'))))
  }
  return { entities: load('entities'), sources: load('sources') } as ShopDefinitions
}

/** Deterministic numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export const SHOP_START = Date.parse('2024-01-01T00:00:00Z')
const DAY = 86_400_000

/** `count` records over about half a year, in order of arrival. */
export function shopRecords(count: number, seed: number): object[] {
  const next = random(seed)
  const below = (n: number): number => Math.floor(next() * n)
  const members = Math.ceil(count / 12)
  const records: object[] = []
  for (let i = 0; records.length < count; i += 1) {
    // A tenth arrives up to 40 days late, so behind events and time rules that ran already.
    const late = below(10) === 0 ? below(40) * DAY : 0
    const at = new Date(SHOP_START + (i / count) * 180 * DAY + below(3600) * 1000 - late).toISOString()
    const member = below(members)
    // Some people hold two cards, which nobody knows before both come with one address.
    const card = member % 5 === 0 && below(2) === 0 ? `9-${member}` : `1-${member}`
    const loan = { no: below(count), items: [{ sku: `tool${below(9)}` }], deposit: below(60) === 0 ? 'x' : below(20) }
    const kind = below(20)
    if (kind < 5) records.push({ kind: 'member.new', at, contact: { mail: ` M${member}@Shop.io` }, card })
    else if (kind < 8)
      records.push({ kind: 'member.tier', at, card, new_tier: kind === 5 ? 'GOLD' : 'Plus', monthly_cents: below(50) })
    else if (kind < 14) records.push({ kind: 'loan.start', at, card, loan })
    else if (kind < 18) records.push({ kind: 'loan.end', at, loan: { no: loan.no } })
    else if (kind < 19) records.push({ kind: 'member_banned', at: below(8) === 0 ? 'never' : at, card })
    else records.push(records[below(records.length)] ?? {})
  }
  return records
}
