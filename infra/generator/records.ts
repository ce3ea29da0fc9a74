/** A step as the raw record of the system that saw it. Each system has its own names, times and units. */
import { HOUR, type Step } from './life.ts'
import { makePerson, type Person, untidyEmail, untidyPhone } from './person.ts'
import { Random } from './random.ts'

export type SourceName = 'app' | 'billing' | 'support'
export const SOURCES: readonly SourceName[] = ['app', 'billing', 'support']

export interface Raw {
  readonly source: SourceName
  readonly body: Record<string, unknown>
}

const PLANS = [
  { nickname: 'Starter', amount: 1900 },
  { nickname: 'Team', amount: 4900 },
  { nickname: 'Business', amount: 19_900 },
] as const
const TOPICS = ['billing', 'login', 'bug', 'howto', 'other']

/** `serial` numbers the records of one run; message ids are made from it. */
export function recordOf(seed: number, person: Person, step: Step, serial: number): Raw {
  const random = new Random(Math.imul(seed, 31) + step.at, 4 * person.index + 3)
  switch (step.kind) {
    case 'signed_up':
    case 'session':
    case 'phone_added':
    case 'referral':
    case 'account_closed':
      return { source: 'app', body: appRecord(seed, person, step, serial, random) }
    case 'ticket':
    case 'agent_reply':
    case 'customer_reply':
    case 'solved':
    case 'rated':
    case 'identified':
      return { source: 'support', body: supportRecord(person, step, random) }
    default:
      return { source: 'billing', body: billingRecord(seed, person, step, serial, random) }
  }
}

function appRecord(seed: number, person: Person, step: Step, serial: number, random: Random): Record<string, unknown> {
  const head = (event: string): Record<string, unknown> => ({
    id: `m_${serial.toString(36).padStart(7, '0')}`,
    event,
    at: new Date(step.at + person.skew).toISOString(),
  })
  const device = { os: person.platform, app: `4.${random.int(0, 9)}.${random.int(0, 3)}` }
  switch (step.kind) {
    case 'signed_up': {
      // Some were invited, mostly by somebody who came before them.
      const inviter = person.index > 3 && random.chance(18) ? makePerson(seed, random.int(0, person.index - 1)) : null
      const user = { id: person.accountId, email: untidyEmail(person, random), name: person.name }
      return { ...head('user.signed_up'), user, ...(inviter && { invited_by: inviter.referralCode }), device }
    }
    case 'session':
      return { ...head('session.start'), user: { id: person.accountId }, ...(random.chance(90) && { device }) }
    case 'phone_added':
      return { ...head('user.updated'), user: { id: person.accountId, phone: untidyPhone(person, random) }, device }
    case 'referral':
      return { ...head('referral.created'), user: { id: person.accountId }, code: person.referralCode }
    default:
      return { ...head('user.deleted'), user: { id: person.accountId }, reason: null }
  }
}

/** Plan and seats of a person before (0) and after (1) the one change they may make. */
function planOf(seed: number, person: Person, change: number): { plan: (typeof PLANS)[number]; seats: number } {
  const random = new Random(seed ^ 0x5bd1e995, person.index)
  const at = random.int(0, 2)
  const seats = at === 0 ? 1 : random.int(1, 8)
  if (change === 0) return { plan: PLANS[at] as (typeof PLANS)[number], seats }
  const next = at === 2 ? random.int(0, 1) : at + 1
  return { plan: PLANS[next] as (typeof PLANS)[number], seats: Math.max(1, seats + random.int(-2, 3)) }
}

function billingRecord(
  seed: number,
  person: Person,
  step: Step,
  serial: number,
  random: Random,
): Record<string, unknown> {
  const customer = person.customerId
  const subscription = `sub_${customer.slice(4)}`
  const invoice = `in_${customer.slice(4)}_${String(step.n + 1).padStart(2, '0')}`
  const hook = (type: string, object: Record<string, unknown>): Record<string, unknown> => ({
    id: `evt_${serial.toString(36).padStart(8, '0')}`,
    type,
    created: Math.floor(step.at / 1000),
    livemode: true,
    data: { object },
  })
  switch (step.kind) {
    case 'billing_created': {
      const metadata = step.n === 1 ? { account: person.accountId } : {}
      return hook('customer.created', { id: customer, object: 'customer', metadata })
    }
    case 'billing_linked':
      return hook('customer.updated', { id: customer, object: 'customer', email: untidyEmail(person, random) })
    case 'subscribed':
    case 'plan_changed': {
      const { plan, seats } = planOf(seed, person, step.n)
      const type = step.kind === 'subscribed' ? 'customer.subscription.created' : 'customer.subscription.updated'
      return hook(type, {
        id: subscription,
        object: 'subscription',
        customer,
        plan: { ...plan, interval: 'month' },
        quantity: seats,
      })
    }
    case 'unsubscribed': {
      const reason =
        step.n === 1 ? 'payment_failed' : random.pick(['too_expensive', 'missing_features', 'switched', null])
      return hook('customer.subscription.deleted', { id: subscription, customer, cancellation_details: { reason } })
    }
    case 'invoice': {
      const { plan, seats } = planOf(seed, person, 0)
      const due = Math.floor(step.at / 1000) + 14 * 86_400
      const currency = random.pick(['eur', 'eur', 'eur', 'usd', 'gbp'])
      return hook('invoice.finalized', {
        id: invoice,
        subscription,
        customer,
        amount_due: plan.amount * seats,
        currency,
        due_date: due,
      })
    }
    case 'paid':
      return hook('invoice.paid', { id: invoice, subscription, customer, paid: true })
    case 'payment_failed': {
      const failed = `in_${customer.slice(4)}_${String(step.m + 1).padStart(2, '0')}`
      return hook('invoice.payment_failed', { id: failed, subscription, customer, attempt_count: step.n })
    }
    default:
      return hook('invoice.voided', { id: invoice, subscription, customer })
  }
}

function supportRecord(person: Person, step: Step, random: Random): Record<string, unknown> {
  const when = localTime(step.at)
  const number = 100_000 + 3 * person.index + (step.kind === 'ticket' ? step.n : step.m)
  const requester = (by: 'phone' | 'mail'): Record<string, string> =>
    by === 'phone' ? { phone: untidyPhone(person, random) } : { email: untidyEmail(person, random) }
  switch (step.kind) {
    case 'ticket': {
      const priority = random.pick(['low', 'normal', 'normal', 'high'])
      const ticket = { number, topic: random.pick(TOPICS), ...(priority !== 'normal' && { priority }) }
      return { kind: 'ticket.created', when, ticket, requester: requester(step.m === 1 ? 'phone' : 'mail') }
    }
    case 'agent_reply':
      return { kind: 'ticket.agent_reply', when, ticket: { number }, reply: step.n, agent: `agent-${random.int(1, 6)}` }
    case 'customer_reply':
      return { kind: 'ticket.customer_reply', when, ticket: { number }, reply: step.n }
    case 'solved':
      return { kind: 'ticket.solved', when, ticket: { number } }
    case 'rated':
      return { kind: 'ticket.rated', when, ticket: { number }, rating: step.n }
    default:
      return { kind: 'caller.identified', when, requester: { ...requester('phone'), ...requester('mail') } }
  }
}

/** Central European winter time, as a help desk in Berlin would print it: `2024-02-03 11:20:00+01:00`. */
function localTime(at: number): string {
  return `${new Date(at + HOUR).toISOString().slice(0, 19).replace('T', ' ')}+01:00`
}
