/** What redactions and erasures treat, and what replays make of it (spec 05 §3.2, §4.2, §5). */
import assert from 'node:assert/strict'
import { conform } from '../../src/core/coerce.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { type Directive, directiveOf, mergeDirective } from '../../src/core/directive.ts'
import { Grouping } from '../../src/core/grouping.ts'
import { relateGroups } from '../../src/core/identity.ts'
import { emptyState, fold } from '../../src/core/interpret.ts'
import { decodeEvent, rehint } from '../../src/core/normalize.ts'
import { erasurePlan, redactionPlan, relatePlan } from '../../src/core/privacy/plan.ts'
import { normalizeTreated } from '../../src/core/privacy/renormalize.ts'
import { readNote, treated, treatRow } from '../../src/core/privacy/treat.ts'
import { compileProgram } from '../../src/core/program.ts'
import { frozenSubject } from '../../src/engine/privacy/subject.ts'
import { normalized, time } from '../support/core-world.ts'
import { digests, erasureOf, joined, rowOf, shop } from '../support/private-world.ts'
import { core } from '../support/rule-entities.ts'
import type { Rule } from './rule.ts'

const definitions = shop()
const program = compileProgram(definitions)
const redaction = redactionPlan([definitions], 'customer')
const erasure = erasurePlan([definitions], 'customer')
const row = (record: Record<string, unknown>) => rowOf(normalized(program, record, 'web'))
const treat = (record: Record<string, unknown>, plan = redaction) => {
  const before = row(record)
  return { ...before, ...treatRow(before, plan, digests)?.row }
}
const dataOf = (stored: { data: string }) => JSON.parse(stored.data) as Record<string, unknown>
const changed = (change: (set: DefinitionsObject) => void): DefinitionsObject => {
  const set = structuredClone(definitions) as DefinitionsObject
  change(set)
  return set
}
const again = (set: DefinitionsObject, stored: ReturnType<typeof treat>) => {
  const own = compileProgram(set)
  const note = readNote(stored.redaction)
  const source = own.sources.get('web')
  assert.ok(note !== null && source !== undefined)
  return normalizeTreated(own, source, stored, note, time('2030-01-01')).event
}
const merged = (ids: { from: string; into: string }, from: string, into: string) =>
  mergeDirective({
    eventId: 'm',
    timestamp: time('2030-01-01'),
    ...ids,
    reason: '',
    fromHints: [{ entityType: 'customer', hintType: 'email', value: from }],
    intoHints: [{ entityType: 'customer', hintType: 'email', value: into }],
  })
const grouped = (event: ReturnType<typeof merged>) => {
  const grouping = new Grouping()
  for (const email of ['a', 'b']) grouping.add({ customer: { email } }, [])
  grouping.directive(directiveOf({ eventType: event.eventType, data: event.dataJson }) as Directive)
  const old = ['a', 'b'].map((value, i) => ({ entityType: 'customer', hintType: 'email', value, entityId: `id-${i}` }))
  const { idOf } = grouping.components(old, () => 'new')
  return [idOf('customer', 'email', 'a'), idOf('customer', 'email', 'b')]
}

export const rules: Rule[] = [
  {
    id: 'privacy.plan.through',
    spec: '05 §5.1',
    off: { file: core('privacy/flow'), find: 'for (const other of known?.properties ?? []) visit(other)', replace: '' },
    check: () => assert.equal(redaction.of('web', 'moved')?.fields.get('town'), 'hash'),
  },
  {
    id: 'privacy.plan.name',
    spec: '05 §5.1',
    off: {
      file: core('privacy/plan'),
      find: 'Object.hasOwn(event.mappings, name) ? [name] : []',
      replace: 'false ? [name] : []',
    },
    check: () => {
      const set = changed(({ sources }) => {
        Object.assign(sources['web']?.events['renamed']?.mappings as object, { name: { from: 'n' } })
      })
      assert.equal(redactionPlan([set], 'customer').of('web', 'renamed')?.fields.get('name'), 'redact')
    },
  },
  {
    id: 'privacy.plan.first',
    spec: '05 §5.1',
    off: {
      file: core('privacy/plan'),
      find: 'if (!draft.fields.has(path)) draft.fields.set(path, treatment)',
      replace: 'draft.fields.set(path, treatment)',
    },
    check: () => {
      const other = changed(({ entities }) => {
        Object.assign(entities['customer']?.properties?.['email'] as object, { treatment: 'hash' })
      })
      assert.equal(redactionPlan([definitions, other], 'customer').of('web', 'joined')?.fields.get('email'), 'mask')
    },
  },
  {
    id: 'privacy.plan.envelope',
    spec: '05 §5.1',
    off: {
      file: core('privacy/plan'),
      find: 'if (raw === definition.event_type || raw === definition.timestamp) continue',
      replace: '',
    },
    check: () => {
      const set = changed(({ sources }) => {
        Object.assign(sources['web']?.events['joined']?.mappings as object, { tier: { from: 'type' } })
      })
      const paths = redactionPlan([set], 'customer')
        .of('web', 'joined')
        ?.raw.map(({ path }) => path)
      assert.equal(paths?.includes('type'), false)
    },
  },
  {
    id: 'privacy.plan.hints',
    spec: '05 §4.2',
    off: { file: core('privacy/plan'), find: "plan.ownHints('remove')", replace: '' },
    check: () => assert.equal('phone' in dataOf(treat(joined(), erasure)), false),
  },
  {
    id: 'privacy.treat.mask',
    spec: '05 §5.2',
    off: { file: core('privacy/paths'), find: 'points.length > 8 ? 4 : 0', replace: 'points.length > 7 ? 4 : 0' },
    check: () => assert.equal(treated('12345678', 'mask', digests), '********'),
  },
  {
    id: 'privacy.treat.others',
    spec: '05 §5.2',
    off: { file: core('privacy/paths'), find: "if (typeof value !== 'string') return null", replace: '' },
    check: () => assert.equal(treated(5, 'redact', digests), null),
  },
  {
    id: 'privacy.treat.instant',
    spec: '05 §5.2',
    off: { file: core('privacy/paths'), find: ' && !this.#isInstant', replace: '' },
    check: () => assert.equal(dataOf(treat(joined()))['birthday'], null),
  },
  {
    id: 'privacy.treat.null',
    spec: '05 §5.1',
    off: { file: core('privacy/paths'), find: 'if (value === null || value === undefined) return\n', replace: '\n' },
    check: () => assert.equal(treatRow(row({ type: 'renamed', phone: '1' }), redaction, digests), null),
  },
  {
    id: 'privacy.treat.once',
    spec: '05 §5.2',
    off: {
      file: core('privacy/treat'),
      find: " || (treatment !== 'remove' && this.#note.data.has(path))",
      replace: '',
    },
    check: () => {
      const stored = treat({ type: 'moved', phone: '1', address: { town: 'Ulm' } })
      assert.equal(treatRow(stored, redaction, digests), null)
    },
  },
  {
    id: 'privacy.treat.tokens',
    spec: '05 §5.3',
    off: { file: core('privacy/treat'), find: 'if (isOwn) setOwn(hints, field, token)', replace: '' },
    check: () => {
      const { customer } = JSON.parse(treat(joined()).hints)
      assert.deepEqual(customer, { email: digests.token('ann@example.org'), phone: '0300 123' })
    },
  },
  {
    id: 'privacy.treat.forget',
    spec: '05 §4.2',
    off: { file: core('privacy/treat'), find: 'delete this.#note.hints[entityType]', replace: '' },
    check: () => {
      const stored = treat(joined())
      const erased = treatRow(stored, erasure, digests)
      assert.equal(erased?.row.redaction.includes(digests.token('ann@example.org')), false)
    },
  },
  {
    id: 'privacy.treat.others-targets',
    spec: '05 §4.2',
    off: {
      file: core('privacy/treat'),
      find: 'return token !== null && known.has(token)',
      replace: 'return token !== null',
    },
    check: () => {
      const bought = row({ type: 'bought', no: '7', buyer: 'bob', total: 5 })
      const known = new Set([digests.token('ann')])
      assert.equal(treatRow(bought, relatePlan([definitions], 'customer'), digests, { known }), null)
    },
  },
  {
    id: 'privacy.hints.tokens',
    spec: '05 §5.3',
    off: { file: core('hints'), find: 'if (tokens !== null) return getOwn(tokens, entityType)', replace: '' },
    check: () => {
      const stored = treat(joined())
      const found = rehint(program, decodeEvent(program, stored))
      assert.deepEqual('hints' in found && found.hints, JSON.parse(stored.hints))
    },
  },
  {
    id: 'privacy.hints.relate',
    spec: '05 §5.3',
    off: { file: core('privacy/treat'), find: 'setOwn(this.#kinds, field, [tokens])', replace: 'void tokens' },
    check: () => {
      const bought = row({ type: 'bought', no: '7', buyer: 'Ann', total: 5 })
      const stored = treatRow(bought, relatePlan([definitions], 'customer', 'redact'), digests)
      const groups = relateGroups(program, decodeEvent(program, { ...bought, ...stored?.row }), { order: { no: '7' } })
      assert.deepEqual(groups, [{ entityType: 'customer', hints: { email: digests.token('ann') } }])
    },
  },
  {
    id: 'privacy.hints.removed',
    spec: '05 §4.2',
    off: { file: core('normalize'), find: 'if (note?.removed.includes(entityType)) continue', replace: '' },
    check: () => {
      const event = decodeEvent(program, row(joined()))
      const found = rehint(program, event, undefined, { removed: ['customer'] })
      assert.deepEqual('hints' in found && Object.keys(found.hints), ['account'])
    },
  },
  {
    id: 'privacy.again.kept',
    spec: '05 §5.3',
    off: {
      file: core('privacy/renormalize'),
      find: 'if (isTouched) this.#keep(mapping, context)\n      else ',
      replace: '',
    },
    check: () => {
      const set = changed(({ sources }) => {
        Object.assign(sources['web']?.events['joined']?.mappings as object, { tier: { from: 'tier', type: 'integer' } })
      })
      assert.equal(again(set, treat(joined())).data['tier'], '[REDACTED]')
    },
  },
  {
    id: 'privacy.again.behind',
    spec: '05 §5.3',
    off: {
      file: core('privacy/renormalize'),
      find: '(inputs[index] ?? []).some((path) => this.#isTreated(path))',
      replace: 'false',
    },
    check: () => {
      const set = changed(({ sources }) => {
        Object.assign(sources['web']?.events['joined']?.mappings as object, { number: { from: 'contact.mail' } })
        sources['web']?.events['joined']?.hints['customer']?.push('number')
      })
      assert.equal(again(set, treat(joined())).hints['customer']?.['number'], undefined)
    },
  },
  {
    id: 'privacy.again.schema',
    spec: '05 §5.2',
    off: { file: core('privacy/renormalize'), find: '!this.#touched.has(field)', replace: 'field !== null' },
    check: () => {
      const set = changed((draft) => {
        const events = Object.keys(draft.sources['web']?.events ?? {})
        draft.schemas = Object.fromEntries(events.map((type) => [type, { fields: {} }]))
        draft.schemas['joined'] = { fields: { tier: { type: 'string', allowed: ['gold', 'none'] } } }
      })
      assert.equal(again(set, treat(joined())).data['tier'], '[REDACTED]')
    },
  },
  {
    id: 'privacy.again.id',
    spec: '05 §5.3',
    off: { file: core('privacy/renormalize'), find: 'eventId: this.#row.eventId', replace: "eventId: 'other'" },
    check: () => {
      const stored = treat(joined())
      assert.equal(again(definitions, stored).eventId, stored.eventId)
    },
  },
  {
    id: 'privacy.property.text',
    spec: '05 §5.2',
    off: { file: core('coerce'), find: "return rule.type === 'string' ? text : null", replace: 'return text' },
    check: () => assert.equal(conform('[REDACTED]', { type: 'number', sensitive: true }), null),
  },
  {
    id: 'privacy.fold.rules',
    spec: '05 §5.2',
    off: {
      file: core('working'),
      find: 'if (isLeft(value) && this.#isTreated()) return leftIn(rule, value)',
      replace: '',
    },
    check: () => folds('tier2', { type: 'string', allowed: ['gold'] }, { from: 'event.tier' }, '[REDACTED]'),
  },
  {
    id: 'privacy.fold.expressions',
    spec: '05 §5.2',
    off: { file: core('working'), find: 'if (this.context.event?.treated !== undefined) return null', replace: '' },
    check: () => folds('digits', { type: 'integer' }, { compute: 'to_int(event.tier)' }, null),
  },
  {
    id: 'privacy.merge.unite',
    spec: '05 §3.2',
    off: { file: core('grouping'), find: 'this.#forest.union(winner, node)', replace: 'node' },
    check: () => assert.deepEqual(grouped(merged({ from: 'id-0', into: 'id-1' }, 'a', 'b')), ['id-1', 'id-1']),
  },
  {
    id: 'privacy.merge.winner',
    spec: '05 §3.2',
    off: { file: core('grouping'), find: 'rank === otherRank ? id < other : rank > otherRank', replace: 'id < other' },
    check: () => assert.deepEqual(grouped(merged({ from: 'id-0', into: 'id-1' }, 'a', 'b')), ['id-1', 'id-1']),
  },
  {
    id: 'privacy.merge.ids',
    spec: '05 §3.2',
    off: {
      file: core('grouping'),
      find: 'return (owned.get(side.id) ?? []).flatMap((row) => this.#nodesNow(keyOf(row)))',
      replace: 'return []',
    },
    check: () => assert.deepEqual(grouped(merged({ from: 'id-0', into: 'id-1' }, 'gone', 'b')), ['id-1', 'id-1']),
  },
  {
    id: 'privacy.mentions.spelling',
    spec: '05 §4.2',
    off: { file: 'src/engine/privacy/subject.ts', find: 'value.trim().toLowerCase()', replace: 'value' },
    check: () => {
      const subject = frozenSubject(digests, erasureOf({ digests: [digests.token('a@b')] }))
      assert.equal(subject.mentions([{ mail: ' A@B ' }]), true)
    },
  },
]

/** Folds a redacted event of a customer with one more property, and compares what it holds. */
function folds(name: string, property: object, source: object, expected: unknown): void {
  const set = changed(({ entities }) => {
    const { customer } = entities
    Object.assign(customer?.properties as object, { [name]: property })
    Object.assign(customer as object, { always: { joined: { effects: [{ set: { property: name, ...source } }] } } })
  })
  const own = compileProgram(set)
  const entity = own.entities.get('customer')
  assert.ok(entity !== undefined)
  const options = { targets: () => undefined, advanceTo: null }
  const { state, failures } = fold(entity, emptyState('customer', 'c'), [decodeEvent(own, treat(joined()))], options)
  assert.deepEqual([failures, state.properties[name]], [[], expected])
}
