import { describe, expect, test } from 'vitest'
import {
  type EventPlan,
  erasurePlan,
  hasSensitive,
  identityTreatments,
  redactionPlan,
  relatePlan,
} from '../../src/core/privacy/plan.ts'
import { shop } from '../support/private-world.ts'

const fields = (plan: EventPlan | null) => Object.fromEntries(plan?.fields ?? [])
const raw = (plan: EventPlan | null) => Object.fromEntries((plan?.raw ?? []).map((one) => [one.path, one.treatment]))

describe('redaction', () => {
  const plan = redactionPlan([shop()], 'customer')

  test('takes what flows into sensitive properties, by each one’s treatment, with the raw paths behind it', () => {
    const joined = plan.of('web', 'joined')
    expect(fields(joined)).toEqual({
      email: 'mask',
      first: 'redact',
      'person.last': 'redact',
      birthday: 'hash',
      tier: 'redact',
    })
    expect(raw(joined)).toEqual({
      'contact.mail': 'mask',
      'contact.first': 'redact',
      'contact.person.last': 'redact',
      born: 'hash',
      tier: 'redact',
    })
    expect([...(joined?.hints ?? [])]).toEqual(['email'])
    expect([...(joined?.instants ?? [])]).toEqual(['birthday'])
  })

  test('follows properties that sensitive ones are computed from, and expressions of mappings', () => {
    expect(fields(plan.of('web', 'moved'))).toEqual({ town: 'hash' })
    expect(raw(plan.of('web', 'moved'))).toEqual({ 'address.town': 'hash' })
  })

  test('looks at handlers of every state', () => {
    expect(fields(plan.of('web', 'renamed'))).toEqual({ called: 'redact' })
  })

  test('knows nothing of events and types that have no part in it', () => {
    expect(plan.of('web', 'bought')).toBe(null)
    expect(plan.of('elsewhere', 'joined')).toBe(null)
    expect(redactionPlan([shop()], 'order').of('web', 'bought')).toBe(null)
    expect(redactionPlan([shop()], 'nobody').of('web', 'joined')).toBe(null)
  })

  test('a property’s own name counts in every event of the type', () => {
    const definitions = shop(({ sources }) => {
      const { moved } = sources['web']?.events ?? {}
      Object.assign(moved?.['mappings'] as object, { name: { from: 'who' }, city: { from: 'place' } })
    })
    expect(fields(redactionPlan([definitions], 'customer').of('web', 'moved'))).toEqual({
      town: 'hash',
      name: 'redact',
    })
  })

  test('what hides more wins where a field flows into several properties', () => {
    const definitions = shop(({ entities }) => {
      const always = { set: { property: 'name', from: 'event.email' } }
      Object.assign(entities['customer'] as object, { always: { joined: { effects: [always] } } })
    })
    expect(redactionPlan([definitions], 'customer').of('web', 'joined')?.fields.get('email')).toBe('redact')
  })

  test('type and time of the record stay, whatever they flow into', () => {
    const definitions = shop(({ sources }) => {
      const { joined } = sources['web']?.events ?? {}
      Object.assign(joined?.['mappings'] as object, {
        birthday: { from: 'at', type: 'datetime' },
        tier: { from: 'type' },
      })
    })
    const joined = redactionPlan([definitions], 'customer').of('web', 'joined')
    expect(fields(joined)).toMatchObject({ birthday: 'hash', tier: 'redact' })
    expect(Object.keys(raw(joined))).not.toContain('at')
    expect(Object.keys(raw(joined))).not.toContain('type')
  })

  test('an expression over the whole event may read any field, one over the whole record any part of it', () => {
    const definitions = shop(({ entities, sources }) => {
      const set = { set: { property: 'name', compute: 'event[entity.city]' } }
      Object.assign(entities['customer'] as object, { always: { moved: { effects: [set] } } })
      const { moved } = sources['web']?.events ?? {}
      Object.assign(moved?.['mappings'] as object, { town: { compute: 'event[event.which]' } })
    })
    const moved = redactionPlan([definitions], 'customer').of('web', 'moved')
    expect(fields(moved)).toEqual({ town: 'redact', phone: 'redact' })
    expect(raw(moved)).toEqual({ '': 'redact', which: 'redact', phone: 'redact' })
  })

  test('versions are united, and the first one decides the treatment', () => {
    const other = shop(({ entities, sources }) => {
      const properties = entities['customer']?.['properties'] as Record<string, object>
      Object.assign(properties['email'] as object, { treatment: 'hash' })
      properties['phone'] = { type: 'string', sensitive: 'pii', treatment: 'hash' }
      const { joined } = sources['web']?.events ?? {}
      Object.assign(joined?.['mappings'] as object, { email: { from: 'mail' } })
    })
    const first = redactionPlan([shop(), other], 'customer').of('web', 'joined')
    expect(fields(first)).toMatchObject({ email: 'mask', phone: 'hash' })
    expect(raw(first)).toMatchObject({ 'contact.mail': 'mask', mail: 'mask', 'contact.phone': 'hash' })
    const second = redactionPlan([other, shop()], 'customer').of('web', 'joined')
    expect(fields(second)).toMatchObject({ email: 'hash', phone: 'hash' })
  })
})

test('an erasure removes hints and everything sensitive', () => {
  const plan = erasurePlan([shop()], 'customer')
  expect(fields(plan.of('web', 'joined'))).toEqual({
    email: 'remove',
    phone: 'remove',
    first: 'remove',
    'person.last': 'remove',
    birthday: 'remove',
    tier: 'remove',
  })
  expect(raw(plan.of('web', 'moved'))).toEqual({ 'address.town': 'remove', phone: 'remove' })
  expect(plan.of('web', 'bought')).toBe(null)
})

test('relations name their targets by fields of their own', () => {
  const plan = relatePlan([shop()], 'customer')
  expect(fields(plan.of('web', 'bought'))).toEqual({ email: 'remove', phone: 'remove' })
  expect(raw(plan.of('web', 'bought'))).toEqual({ buyer: 'remove', tel: 'remove' })
  expect(plan.of('web', 'bought')?.relates).toEqual([['email', 'phone']])
  expect([...(plan.of('web', 'bought')?.names.get('email') ?? [])]).toEqual(['customer'])
  expect(plan.of('web', 'joined')).toBe(null)
  expect(fields(relatePlan([shop()], 'customer', 'redact').of('web', 'bought'))).toEqual({ email: 'mask' })
})

test('whether a type has anything to redact, and which of its identity fields', () => {
  expect([hasSensitive([shop()], 'customer'), hasSensitive([shop()], 'order')]).toEqual([true, false])
  expect([...identityTreatments([shop()], 'customer')]).toEqual([['email', 'mask']])
})
