import { ndjson, type Template } from './template.ts'

/** Two entity types, two sources that know the same people by different names, merges, relationships, time rules. */
export const showcase: Template = {
  summary: 'customers seen by an application and by billing, with their subscriptions, merges and time rules',
  files: {
    'entities/customer.yaml': `# Known to the application by e-mail and to billing by account; one event with both makes them the same person.
customer:
  starts: visitor
  identity:
    email: { match: case_insensitive, normalize: "str::trim(value)" }
    account: { normalize: "replace(value, '-', '')" }
  properties:
    email: { type: string, sensitive: pii, treatment: mask }
    account: { type: string }
    visits: { type: integer, default: 0 }
    spent: { type: number, default: 0, min: 0 }
    segment: { type: string, compute: "if entity.spent >= 100 then 'key' else 'standard'" }
  states:
    visitor:
      when:
        signed_up:
          effects:
            - create
            - { set: { property: email, from: event.email } }
            - { transition: { to: active } }
        invoice_paid:
          effects:
            - create
            - { set: { property: account, from: event.account } }
            - { increment: { property: spent, by: 10 } }
            - { transition: { to: active } }
    active:
      when:
        visited:
          effects: [{ increment: { property: visits } }]
        invoice_paid:
          effects:
            - { set: { property: account, from: event.account } }
            - { set: { property: spent, compute: "entity.spent + event.amount" } }
      after:
        - { type: inactivity, threshold: 60d, effects: [{ transition: { to: sleeping } }] }
    sleeping:
      when:
        visited:
          effects: [{ increment: { property: visits } }, { transition: { to: active } }]
        invoice_paid:
          effects:
            - { set: { property: spent, compute: "entity.spent + event.amount" } }
            - { transition: { to: active } }
  always:
    account_linked:
      effects: [{ set: { property: account, from: event.account } }]
  relationships:
    - { type: subscribes, target: subscription, cardinality: has_many, inverse: subscriber }
`,
    'entities/subscription.yaml': `# A subscription belongs to the customer whose account pays for it.
subscription:
  starts: draft
  identity:
    number: {}
  properties:
    number: { type: string }
    plan: { type: string, allowed: [basic, pro] }
    renews_at: { type: datetime }
  states:
    draft:
      when:
        subscribed:
          effects:
            - create
            - { set: { property: number, from: event.number } }
            - { set: { property: plan, from: event.plan } }
            - { set: { property: renews_at, compute: "event.timestamp + 30d" } }
            - { relate: { type: subscriber, target: customer, hints: { customer: [account] } } }
            - { transition: { to: running } }
    running:
      when:
        invoice_paid:
          effects: [{ set: { property: renews_at, compute: "event.timestamp + 30d" } }]
        unsubscribed:
          effects: [{ transition: { to: ended } }]
      after:
        - { type: inactivity, threshold: 45d, effects: [{ transition: { to: overdue } }] }
    overdue:
      when:
        invoice_paid:
          effects: [{ transition: { to: running } }]
        unsubscribed:
          effects: [{ transition: { to: ended } }]
    ended: {}
  relationships:
    - { type: subscriber, target: customer, cardinality: belongs_to, inverse: subscribes }
`,
    'sources/app.yaml': `app:
  event_type: event
  timestamp: at
  events:
    signed_up:
      raw_type: user.signup
      mappings: { email: { compute: "str::trim(event.user.email)" } }
      hints: { customer: [email] }
    visited:
      raw_type: page.view
      event_id: [view]
      mappings:
        view: { from: id }
        email: { from: user.email }
      hints: { customer: [email] }
    account_linked:
      raw_type: user.link
      mappings:
        email: { from: user.email }
        account: { from: account }
      hints: { customer: [email, account] }
`,
    'sources/billing.yaml': `billing:
  event_type: kind
  timestamp: booked
  events:
    subscribed:
      raw_type: subscription.created
      event_id: [number]
      mappings:
        number: { from: subscription, type: string }
        account: { from: account }
        plan: { compute: "str::to_lowercase(event.plan)" }
      hints: { subscription: [number], customer: [account] }
    invoice_paid:
      raw_type: invoice.paid
      event_id: [invoice]
      mappings:
        invoice: { from: invoice }
        number: { from: subscription, type: string }
        account: { from: account }
        amount: { from: amount, type: number, default: 0 }
      hints: { subscription: [number], customer: [account] }
    unsubscribed:
      raw_type: subscription.cancelled
      mappings: { number: { from: subscription, type: string } }
      hints: { subscription: [number] }
`,
    'sample/1-app.ndjson': ndjson([
      { event: 'user.signup', at: '2024-01-02T09:00:00Z', user: { email: ' Ana@Example.com ' } },
      { event: 'page.view', at: '2024-01-02T09:05:00Z', id: 'v1', user: { email: 'ana@example.com' } },
      { event: 'user.signup', at: '2024-01-03T10:00:00Z', user: { email: 'ben@example.com' } },
      { event: 'page.view', at: '2024-01-04T11:00:00Z', id: 'v2', user: { email: 'ana@example.com' } },
      { event: 'page.view', at: '2024-01-04T11:00:00Z', id: 'v2', user: { email: 'ana@example.com' } },
    ]),
    'sample/2-billing.ndjson': ndjson([
      paid('2024-01-09T12:00:00Z', 'i-1', 501, '771', 40),
      { kind: 'subscription.created', booked: '2024-01-10T12:00:00Z', subscription: 501, account: '77-1', plan: 'PRO' },
      paid('2024-02-09T12:00:00Z', 'i-2', 501, '77-1', 120),
      paid('2024-02-10T12:00:00Z', 'i-3', 502, '80-5', 'n/a'),
    ]),
    'sample/3-app.ndjson': ndjson([
      { event: 'user.link', at: '2024-02-01T08:00:00Z', user: { email: 'ana@example.com' }, account: '77-1' },
    ]),
  },
  next: [
    'defacto check',
    'defacto ingest app sample/1-app.ndjson --process',
    'defacto ingest billing sample/2-billing.ndjson --process',
    'defacto table customer',
    'defacto ingest app sample/3-app.ndjson --process',
    'defacto table customer',
    'defacto timeline ana@example.com',
    'defacto dlq list',
    'defacto graph --what lineage',
  ],
}

function paid(booked: string, invoice: string, subscription: number, account: string, amount: unknown): object {
  return { kind: 'invoice.paid', booked, invoice, subscription, account, amount }
}
