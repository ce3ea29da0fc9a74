/** What happens to one person: signing up, paying, falling silent, calling support. A list of steps in time order. */
import type { Person } from './person.ts'
import { Random } from './random.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export type StepKind =
  | 'signed_up'
  | 'session'
  | 'phone_added'
  | 'referral'
  | 'account_closed'
  | 'billing_created'
  | 'billing_linked'
  | 'subscribed'
  | 'plan_changed'
  | 'unsubscribed'
  | 'invoice'
  | 'paid'
  | 'payment_failed'
  | 'voided'
  | 'ticket'
  | 'agent_reply'
  | 'customer_reply'
  | 'solved'
  | 'rated'
  | 'identified'

/** `n` counts within its kind of thing: invoice, ticket, reply, attempt. `m` is the thing it belongs to. */
export interface Step {
  readonly at: number
  readonly kind: StepKind
  readonly n: number
  readonly m: number
}

/** Steps of a person whose story begins at `start`, none at or after `end`, ascending. */
export function lifeOf(seed: number, person: Person, start: number, end: number): Step[] {
  const random = new Random(seed, 4 * person.index + 2)
  const steps: Step[] = []
  const add = (at: number, kind: StepKind, n = 0, m = 0): void => {
    steps.push({ at: Math.floor(at), kind, n, m })
  }
  let signedUp: number | null = null
  let subscribed: number | null = null

  if (person.path === 'app') {
    signedUp = start
    if (random.chance(46)) {
      subscribed = start + random.int(2 * 24, 13 * 24) * HOUR + random.int(0, 3599) * 1000
      add(subscribed - 2 * MINUTE, 'billing_created', random.chance(50) ? 1 : 0)
    }
  } else if (person.path === 'billing') {
    subscribed = start + random.int(2, 55) * MINUTE
    add(start, 'billing_created', 0)
    signedUp = start + random.int(1, 4 * 24) * HOUR + random.int(0, 3599) * 1000
  } else {
    support(random, add, start, 1, 'phone')
    if (random.chance(70)) {
      signedUp = start + random.int(20, 10 * 24) * HOUR + random.int(0, 3599) * 1000
      if (random.chance(80)) add(signedUp + random.int(5, 28 * 24 * 60) * MINUTE, 'phone_added')
      if (random.chance(40)) {
        subscribed = signedUp + random.int(3 * 24, 12 * 24) * HOUR
        add(subscribed - 3 * MINUTE, 'billing_created', 1)
      }
    }
  }

  if (signedUp !== null) {
    add(signedUp, 'signed_up')
    if (random.chance(15)) add(signedUp + random.int(1, 20) * DAY, 'referral')
    usage(random, add, signedUp, subscribed === null ? signedUp + random.int(1, 13) * DAY : end)
    if (person.path !== 'support' && random.chance(22)) {
      const at = signedUp + random.int(1, 60) * DAY + random.int(0, 86_399) * 1000
      support(random, add, at, 1, random.chance(60) ? 'phone' : 'mail')
      if (random.chance(75))
        add(at + (random.chance(50) ? random.int(2, 40) : random.int(60, 20 * 24 * 60)) * MINUTE, 'identified')
    }
  }
  if (subscribed !== null) billing(random, add, subscribed, end)
  if (signedUp !== null && random.chance(3)) {
    const closed = signedUp + random.int(15, 80) * DAY
    add(closed, 'account_closed')
    return steps.filter((step) => step.at < Math.min(end, closed + 1)).sort(byTime)
  }
  return steps.filter((step) => step.at < end).sort(byTime)
}

type Add = (at: number, kind: StepKind, n?: number, m?: number) => void

/** Sessions from sign-up on; some people fade out for good, some take a break and come back. */
function usage(random: Random, add: Add, from: number, until: number): void {
  const fades = random.chance(25) ? from + random.int(20, 60) * DAY : until
  const pauseAt = random.chance(20) ? from + random.int(15, 40) * DAY : until
  const pause = random.int(23, 45) * DAY
  let at = from + random.int(1, 30) * MINUTE
  for (let n = 0; at < Math.min(fades, until); n++) {
    add(at, 'session', n)
    at += random.int(12, 12 * 24) * HOUR + random.int(0, 3_599_999)
    if (at > pauseAt && at < pauseAt + pause) at += pause
  }
}

/** A subscription with its monthly invoices, paid at once, late or never. */
function billing(random: Random, add: Add, start: number, end: number): void {
  add(start, 'subscribed')
  if (random.chance(55)) add(start + random.int(60, 24 * 24 * 60) * MINUTE, 'billing_linked')
  const cancelled = random.chance(16) ? start + random.int(20, 90) * DAY : end
  if (random.chance(22)) {
    const changed = start + random.int(8, 70) * DAY + random.int(0, 3600) * 1000
    if (changed < cancelled) add(changed, 'plan_changed', 1)
  }
  for (let n = 0; start + n * 30 * DAY < Math.min(cancelled, end); n++) {
    const issued = start + n * 30 * DAY + random.int(1, 5) * MINUTE
    add(issued, 'invoice', n)
    const dice = random.int(1, 100)
    if (dice <= 84) add(issued + random.int(1, 90) * MINUTE, 'paid', n)
    else if (dice <= 87) add(issued + random.int(1, 6) * DAY, 'voided', n)
    else {
      const attempts = random.int(1, 3)
      for (let attempt = 1; attempt <= attempts; attempt++) {
        add(issued + (1 + 3 * (attempt - 1)) * DAY + random.int(0, 3_600) * 1000, 'payment_failed', attempt, n)
      }
      if (random.chance(62)) add(issued + (3 * attempts + random.int(0, 8)) * DAY + 2 * HOUR, 'paid', n)
      else if (attempts === 3) {
        add(issued + 16 * DAY, 'unsubscribed', 1)
        return
      }
    }
  }
  if (cancelled < end) add(cancelled, 'unsubscribed')
}

/** One ticket: answered or forgotten, sometimes reopened, sometimes rated. `m` of the opening step: 1 phone, 2 mail. */
function support(random: Random, add: Add, opened: number, ticket: number, channel: 'phone' | 'mail'): void {
  add(opened, 'ticket', ticket, channel === 'phone' ? 1 : 2)
  if (random.chance(8)) return
  let at = opened + random.int(15, 72 * 60) * MINUTE
  let reply = 1
  add(at, 'agent_reply', reply, ticket)
  for (let rounds = random.int(0, 2); rounds > 0; rounds--) {
    at += random.int(20, 80 * 60) * MINUTE
    add(at, 'customer_reply', ++reply, ticket)
    at += random.int(10, 30 * 60) * MINUTE
    add(at, 'agent_reply', ++reply, ticket)
  }
  if (random.chance(60)) {
    at += random.int(5, 40 * 60) * MINUTE
    add(at, 'solved', 0, ticket)
    if (random.chance(12)) {
      at += random.int(60, 6 * 24 * 60) * MINUTE
      add(at, 'customer_reply', ++reply, ticket)
      at += random.int(30, 20 * 60) * MINUTE
      add(at, 'agent_reply', ++reply, ticket)
      at += random.int(30, 20 * 60) * MINUTE
      add(at, 'solved', 0, ticket)
    }
  }
  if (random.chance(25)) add(at + random.int(30, 48 * 60) * MINUTE, 'rated', random.int(1, 5), ticket)
}

function byTime(a: Step, b: Step): number {
  return a.at - b.at
}
