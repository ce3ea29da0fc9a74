import { ndjson, type Template } from './template.ts'

/** One entity type, one source: signup, upgrade, cancel. */
export const quickstart: Template = {
  summary: 'customers of one application: signup, upgrade, cancel',
  files: {
    'entities/customer.yaml': `# A customer signs up, may change plans, and leaves.
customer:
  starts: lead
  identity:
    email: { match: case_insensitive, normalize: "str::trim(value)" }
  properties:
    email: { type: string }
    plan: { type: string, default: free, allowed: [free, pro, team] }
  states:
    lead:
      when:
        signup:
          effects:
            - create
            - { set: { property: email, from: event.email } }
            - { transition: { to: active } }
    active:
      when:
        upgrade:
          guard: "event.plan != entity.plan"
          effects:
            - { set: { property: plan, from: event.plan } }
        cancel:
          effects:
            - { transition: { to: churned } }
    churned: {}
`,
    'sources/app.yaml': `# Records of the application: which field says what happened, when, and to whom.
app:
  event_type: type
  timestamp: timestamp
  events:
    signup:
      mappings:
        email: { from: email }
      hints: { customer: [email] }
    upgrade:
      mappings:
        email: { from: email }
        plan: { from: plan }
      hints: { customer: [email] }
    cancel:
      mappings:
        email: { from: email }
      hints: { customer: [email] }
`,
    'pipelines/daily.yaml': `# What happens to new files: they are read, state moves on and is checked. By hand: defacto run start daily
daily:
  # By itself every morning, once it is applied with: defacto schedule apply
  # schedule: { cron: "15 6 * * *", timezone: UTC }
  inputs:
    files: { source: app, kind: files, path: "sample/*.ndjson", settle: 0s }
  steps: [ingest, build, tick, check]
  checks:
    history: { kind: history_valid }
    no_address:
      asset: entity/customer
      sql: select customer_id from customer_history where valid_to is null and email is null
  freshness:
    source/app: { of: arrival, warn: 26h, error: 50h }
`,
    'sample/app.ndjson': ndjson([
      { type: 'signup', timestamp: '2024-01-01T10:00:00Z', email: 'alice@example.com' },
      { type: 'signup', timestamp: '2024-01-05T14:00:00Z', email: 'bob@example.com' },
      { type: 'upgrade', timestamp: '2024-01-15T09:00:00Z', email: 'alice@example.com', plan: 'pro' },
      { type: 'cancel', timestamp: '2024-03-01T12:00:00Z', email: 'bob@example.com' },
    ]),
  },
  next: [
    'defacto check',
    'defacto ingest app sample/app.ndjson --process',
    'defacto table customer',
    'defacto history customer --as-of 2024-01-10',
    'defacto run start daily --local',
  ],
}
