/** The views the report shows: who the customers are, one history with an answer about the past, one timeline. */
import type { Defacto, Timeline } from '../../index.ts'
import type { Row } from '../output.ts'

/** The day the `asOf` answer is about. */
export const AS_OF = '2024-04-15'
/** History rows that are still read. */
const PAGE = 20
const PLANS = ['none', 'starter', 'team', 'business']
const HISTORY = ['valid_from', 'valid_to', 'customer_state', 'plan', 'mrr', 'sessions', 'tickets']

export interface Views {
  /** State × plan, with the state's monthly revenue. */
  readonly customers: readonly Row[]
  /** Whose history it is: an e-mail address (all people in this data are made up). */
  readonly customer: string
  readonly history: readonly Row[]
  /** The one row of that history valid at `AS_OF`. */
  readonly asOf: Row | undefined
  readonly ticket: string
  readonly timeline: Timeline
}

export async function viewsOf(defacto: Defacto): Promise<Views> {
  const { id, email } = await knownThroughAMerge(defacto)
  const history = defacto.history('customer').filter({ customer_id: id })
  const ticket = await busiestTicket(defacto)
  return {
    customers: await byStateAndPlan(defacto),
    customer: email,
    history: (await history
      .select(...HISTORY)
      .orderBy('valid_from')
      .rows()) as Row[],
    asOf: (await history
      .asOf(AS_OF)
      .select(...HISTORY)
      .first()) as Row | undefined,
    ticket: ticket.number,
    timeline: await defacto.timeline(ticket.id),
  }
}

async function byStateAndPlan(defacto: Defacto): Promise<Row[]> {
  const states = new Map<string, Record<string, number>>()
  const cells = defacto.table('customer').select('customer_state', 'plan', 'mrr')
  for await (const row of cells.stream() as AsyncIterable<Row>) {
    for (const state of [String(row['customer_state']), 'all']) {
      let line = states.get(state)
      if (line === undefined) {
        line = { ...Object.fromEntries(PLANS.map((plan) => [plan, 0])), total: 0, mrr: 0 }
        states.set(state, line)
      }
      const plan = String(row['plan'])
      line[plan] = (line[plan] ?? 0) + 1
      line['total'] = (line['total'] ?? 0) + 1
      line['mrr'] = (line['mrr'] ?? 0) + Number(row['mrr'] ?? 0)
    }
  }
  const names = [...states.keys()].filter((state) => state !== 'all').sort()
  return [...names, 'all'].map((state) => ({ state, ...states.get(state) }))
}

/** Somebody who pays or paid, first met as two people, whose story has the most turns and still fits a page. */
async function knownThroughAMerge(defacto: Defacto): Promise<{ id: string; email: string }> {
  const stories = new Map<string, { rows: number; turns: Set<string> }>()
  const history = defacto.history('customer').select('customer_id', 'customer_state', 'plan')
  for await (const row of history.stream() as AsyncIterable<Row>) {
    const id = String(row['customer_id'])
    const story = stories.get(id) ?? { rows: 0, turns: new Set() }
    story.rows += 1
    story.turns.add(`${row['customer_state']} ${row['plan']}`)
    stories.set(id, story)
  }
  let best = { id: '', email: '', score: -1 }
  const named = defacto
    .table('customer')
    .filter({ email: { isNull: false } })
    .orderBy('email')
  for await (const row of named.select('customer_id', 'email', 'first_paid_at').stream() as AsyncIterable<Row>) {
    const id = String(row['customer_id'])
    const story = stories.get(id)
    if (story === undefined || story.rows > PAGE) continue
    const score = story.turns.size + (row['first_paid_at'] === null ? 0 : 10)
    if (score <= best.score || (await defacto.identity.merges(id)).length === 0) continue
    best = { id, email: String(row['email']).trim().toLowerCase(), score }
  }
  return best
}

async function busiestTicket(defacto: Defacto): Promise<{ id: string; number: string }> {
  const all = defacto.table('ticket').select('ticket_id', 'ticket_no', 'reopened', 'replies').orderBy('ticket_no')
  let best = { id: '', number: '', score: -1 }
  for await (const row of all.stream() as AsyncIterable<Row>) {
    const score = Number(row['replies']) + 3 * Number(row['reopened'])
    if (score > best.score) best = { id: String(row['ticket_id']), number: String(row['ticket_no']), score }
  }
  return best
}
