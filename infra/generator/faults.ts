/** What goes wrong on the way: records sent twice, delivered late, cut off or made of nonsense. */
import { DAY, HOUR, MINUTE } from './life.ts'
import type { Random } from './random.ts'
import type { Raw } from './records.ts'

/** Milliseconds until a record arrives: mostly at once, now and then hours or days later. */
export function delay(random: Random): number {
  if (random.chance(96.5)) return random.int(0, 20) * 1000
  return random.chance(60) ? random.int(10, 600) * MINUTE : random.int(12, 300) * HOUR
}

/** Milliseconds until a record is sent once more; null: it is not. */
export function repeatAfter(random: Random): number | null {
  if (!random.chance(2.5)) return null
  return random.chance(70) ? random.int(30, 7200) * 1000 : random.int(1, 4) * DAY
}

/** The repeat: the same thing; a phone stamps it with the time of the new attempt. */
export function repeatOf(raw: Raw, random: Random): Raw {
  const { body } = raw
  if (raw.source !== 'app' || typeof body['at'] !== 'string' || random.chance(60)) return raw
  return { source: raw.source, body: { ...body, at: new Date(Date.parse(body['at']) + 45_000).toISOString() } }
}

export const MALFORMED = [
  'truncated',
  'not_an_object',
  'unknown_type',
  'bad_time',
  'wrong_type',
  'broken_rule',
] as const
export type Malformed = (typeof MALFORMED)[number]

/** A line no system can use, made from a good record. */
export function malformed(raw: Raw, random: Random): { kind: Malformed; line: string } {
  const kind = random.pick(MALFORMED)
  const typeField = { app: 'event', billing: 'type', support: 'kind' }[raw.source]
  const timeField = { app: 'at', billing: 'created', support: 'when' }[raw.source]
  const text = JSON.stringify(raw.body)
  switch (kind) {
    case 'truncated':
      return { kind, line: text.slice(0, random.int(8, text.length - 8)) }
    case 'not_an_object':
      return { kind, line: JSON.stringify([raw.body[typeField], raw.body[timeField]]) }
    case 'unknown_type':
      return { kind, line: JSON.stringify({ ...raw.body, [typeField]: `${raw.body[typeField]}.v2` }) }
    case 'bad_time':
      return {
        kind,
        line: JSON.stringify({ ...raw.body, [timeField]: random.pick(['2024-02-30T10:00:00Z', 'yesterday', null]) }),
      }
    case 'wrong_type':
      return { kind, line: JSON.stringify(wrongType(raw)) }
    default:
      return { kind, line: JSON.stringify(brokenRule(raw)) }
  }
}

/** A value of the wrong type in a typed field. */
function wrongType({ source, body }: Raw): unknown {
  if (source === 'app') return { ...body, event: 'user.updated', user: { id: 'acc_x', phone: ['+49', '151'] } }
  if (source === 'support') return { ...body, kind: 'ticket.rated', ticket: { number: 1 }, rating: 'very good' }
  return {
    ...body,
    type: 'invoice.finalized',
    data: { object: { id: 'in_x', subscription: 'sub_x', customer: 'cus_x', amount_due: 'n/a', currency: 'eur' } },
  }
}

/** Right types, but against the schema. */
function brokenRule({ source, body }: Raw): unknown {
  if (source === 'app') return { ...body, event: 'user.signed_up', user: { id: 'acc_x', email: 'not an address' } }
  if (source === 'support') return { ...body, kind: 'ticket.rated', ticket: { number: 1 }, rating: 11 }
  return {
    ...body,
    type: 'invoice.finalized',
    data: { object: { id: 'in_x', subscription: 'sub_x', customer: 'cus_x', amount_due: -5, currency: 'eur' } },
  }
}
