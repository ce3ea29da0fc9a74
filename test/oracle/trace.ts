/** The records and the expected history of the trace in 03 §13, written off the table. */
import type { Delivery, PlainRow } from './oracle.ts'

const at = (text: string): string => `2024-${text.replace(' ', 'T')}:00Z`
const iso = (text: string): string => `2024-${text.replace(' ', 'T')}:00+00:00`

const records = [
  { kind: 'member.new', at: at('03-01 09:00'), contact: { mail: ' Ana@Shop.io ' }, card: '77-1' },
  { kind: 'member.tier', at: at('03-05 09:00'), card: '771', new_tier: 'PLUS', monthly_cents: 15 },
  { kind: 'loan.start', at: at('03-06 10:00'), card: '771', loan: { no: 501, items: [{ sku: 'drill' }] } },
  { kind: 'loan.end', at: at('03-20 10:00'), loan: { no: 501 } },
  { kind: 'loan.start', at: at('03-21 10:00'), card: '771', loan: { no: 501, items: [{ sku: 'drill' }] } },
  { kind: 'loan.start', at: at('06-20 10:00'), card: '77-1', loan: { no: 502, deposit: 'x' } },
]
export const traceDeliveries: Delivery[] = records.map((record) => ({ source: 'kiosk', record }))
export const traceTick = '2024-08-01T00:00:00Z'

export const memberKey = '["member","card_no","771"] ["member","email","ana@shop.io"]'
export const loanKey = '["loan","loan_no","501"]'

type Cells = [from: string, to: string, state: string, tier: string, fee: number, loans: number, last: string]

export const memberRows: PlainRow[] = (
  [
    ['03-01 09:00', '03-05 09:00', 'active', 'basic', 0, 0, '03-01 09:00'],
    ['03-05 09:00', '03-06 10:00', 'active', 'plus', 15, 0, '03-05 09:00'],
    ['03-06 10:00', '05-05 10:00', 'active', 'plus', 15, 1, '03-06 10:00'],
    ['05-05 10:00', '06-04 10:00', 'sleeping', 'plus', 15, 1, '03-06 10:00'],
    ['06-04 10:00', '', 'closed', 'plus', 0, 1, '03-06 10:00'],
  ] as Cells[]
).map(([from, to, state, tier, fee, loans, last]) => ({
  state,
  properties: {
    email: ' Ana@Shop.io ',
    tier,
    fee,
    loans,
    joined_at: iso('03-01 09:00'),
    yearly: fee * 12,
    band: fee * 12 >= 120 ? 'high' : 'low',
  },
  validFrom: iso(from),
  validTo: to === '' ? null : iso(to),
  lastEventTime: iso(last),
  stateEnteredTime: iso(state === 'active' ? '03-01 09:00' : from),
  createdTime: iso('03-01 09:00'),
}))

export const loanRows: PlainRow[] = [
  ['open', '03-06 10:00', '03-13 10:00', '03-06 10:00'],
  ['overdue', '03-13 10:00', '03-20 10:00', '03-06 10:00'],
  ['returned', '03-20 10:00', '', '03-20 10:00'],
].map(([state = '', from = '', to = '', last = '']) => ({
  state,
  properties: { loan_no: '501', tool: 'drill', due: iso('03-13 10:00') },
  validFrom: iso(from),
  validTo: to === '' ? null : iso(to),
  lastEventTime: iso(last),
  stateEnteredTime: iso(from),
  createdTime: iso('03-06 10:00'),
}))

export const loanEdges = [
  { type: 'taken_by', target: memberKey, properties: { deposit: 0 }, validFrom: iso('03-06 10:00'), validTo: null },
]
