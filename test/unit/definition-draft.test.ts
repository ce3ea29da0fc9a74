import { describe, expect, test } from 'vitest'
import { diffDefinitions } from '../../src/core/definition/diff.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { Property } from '../../src/definition-parts.ts'
import { Definitions } from '../../src/definitions.ts'
import { DefinitionsDraft } from '../../src/definitions-draft.ts'
import { DefinitionError } from '../../src/errors.ts'
import { cleanSchemas, cleanSet, put } from '../support/clean-definitions.ts'

const base = (): DefinitionsObject => fromObject(cleanSet()).definitions

function draft(): DefinitionsDraft {
  return new DefinitionsDraft(base(), {
    validate: (definitions) => Definitions.fromObject(definitions).validate(),
    impact: () => Promise.resolve({ buildMode: 'FULL', reason: 'entity definitions changed' }),
    register: async (definitions) => ({
      version: 'v2',
      changes: diffDefinitions(base(), definitions),
      buildMode: 'FULL',
      warnings: [],
    }),
  })
}

/** The codes a refused step gives; the draft must be as before. */
function refused(step: (d: DefinitionsDraft) => unknown): string[] {
  const d = draft().addState('item', 'kept')
  const before = d.toObject()
  let thrown: unknown
  try {
    step(d)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(DefinitionError)
  expect(d.toObject()).toEqual(before)
  const { issues, errors } = (thrown as DefinitionError).details as { issues: { code: string }[]; errors: string[] }
  expect(errors).toHaveLength(issues.length)
  return issues.map((issue) => issue.code)
}

describe('drafts (spec 09 §5)', () => {
  test('steps follow each other and are validated together', () => {
    const d = draft()
      .addProperty('item', 'colour', { type: 'string', allowed: ['red', 'blue'] })
      .addProperty('item', 'weight', new Property('number', { min: 0 }))
      .addState('item', 'sold')
      .addTransition('item', 'on', 'sold', 'closed', {
        guard: "event.why != 'x'",
        effects: [{ set: { property: 'colour', value: 'red' } }],
      })
      .addHandler('item', 'sold', 'resized', { effects: [{ transition: { to: 'on' } }] })
      .addRelationship('owner', { type: 'knows', target: 'owner', cardinality: 'many_to_many' })
      .updateIdentity('owner', { code: { match: 'case_insensitive' }, mail: null })
    expect(d.validate().errors).toEqual([])
    const { item, owner } = d.toObject().entities
    expect(item?.states.on?.when?.closed).toEqual({
      guard: "event.why != 'x'",
      effects: [{ set: { property: 'colour', value: 'red' } }, { transition: { to: 'sold' } }],
    })
    expect(owner?.identity).toEqual({ code: { match: 'case_insensitive' }, mail: { match: 'exact' } })
  })

  test('what a later step can repair does not refuse a step', () => {
    const d = draft().addState('item', 'sold')
    expect(d.validate().issues.map((issue) => issue.code)).toContain('E22')
    d.addTransition('item', 'on', 'gone', 'sold')
    expect(d.validate().issues.map((issue) => issue.code)).toContain('E16')
    expect(draft().removeProperty('item', 'size').validate().valid).toBe(false)
    expect(draft().removeState('item', 'off').validate().valid).toBe(false)
  })

  test('what no later step can repair undoes the step', () => {
    expect(refused((d) => d.addProperty('item', 'x', { type: 'strng' as 'string' }))).toEqual(['E10'])
    expect(refused((d) => d.addProperty('item', '1x', { type: 'string' }))).toEqual(['E04'])
    expect(refused((d) => d.addProperty('item', '__proto__', { type: 'string' }))).toEqual(['E04'])
    expect(refused((d) => d.addProperty('item', 'x', { type: 'string', default: 5 }))).toEqual(['E11'])
    expect(refused((d) => d.addProperty('item', 'item_id', { type: 'string' }))).toEqual(['E13'])
    expect(refused((d) => d.addHandler('item', 'on', 'e', { effects: [] }))).toEqual(['E15'])
    expect(refused((d) => d.addHandler('item', 'on', 'e', { guard: 'a b', effects: ['create'] }))).toEqual(['E05'])
    expect(refused((d) => d.addHandler('item', 'on', 'e', { effects: [{ set: { property: 'name' } }] }))).toEqual([
      'E18',
    ])
    expect(
      refused((d) =>
        d.addState('item', 's', {
          after: [{ type: 'inactivity', threshold: 'x', effects: [{ transition: { to: 'on' } }] }],
        }),
      ),
    ).toEqual(['E06'])
    expect(refused((d) => d.addTransition('item', 'on', 'off', 'e', { effects: 'create' as unknown as [] }))).toEqual([
      'E01',
    ])
  })

  test('names that are there, or are not', () => {
    expect(refused((d) => d.addProperty('itm', 'x', { type: 'string' }))).toEqual(['E02'])
    expect(refused((d) => d.addProperty('item', 'size', { type: 'string' }))).toEqual(['E32'])
    expect(refused((d) => d.addState('item', 'on'))).toEqual(['E32'])
    expect(refused((d) => d.addTransition('item', 'on', 'off', 'resized'))).toEqual(['E32'])
    expect(refused((d) => d.addHandler('item', 'nowhere', 'e', { effects: ['create'] }))).toEqual(['E16'])
    expect(refused((d) => d.removeProperty('item', 'nothing'))).toEqual(['E17'])
    expect(refused((d) => d.removeState('item', 'nothing'))).toEqual(['E17'])
    expect(() => draft().addProperty('itm', 'x', { type: 'string' })).toThrow(
      /entity 'itm' not found \(did you mean 'item'\?\)/,
    )
    expect(() => draft().addState('item', 'on')).toThrow(/already exists/)
  })

  test('asks the space what it costs, and hands over what it became', async () => {
    const d = draft().addProperty('item', 'colour', { type: 'string' })
    expect(await d.impact()).toEqual({ buildMode: 'FULL', reason: 'entity definitions changed' })
    const result = await d.register()
    expect(result.changes.modified.item?.addedProperties).toEqual(['colour'])
    expect(d.diff()).toEqual(result.changes)
  })
})

describe('diff (spec 09 §5)', () => {
  const changed = (change: (set: object) => void) => {
    const set = cleanSet()
    change(set)
    return diffDefinitions(base(), fromObject(set).definitions)
  }
  const none = { added: [], removed: [], modified: {} }

  test('nothing changed', () => {
    expect(changed(() => {})).toEqual({ ...none, sources: none, schemas: none })
  })

  test('whole definitions', () => {
    const diff = changed((set) => {
      put(set, 'entities.owner', undefined)
      put(set, 'entities.group', { starts: 's', identity: { k: {} }, states: { s: {} } })
      put(set, 'sources.web', undefined)
      put(set, 'schemas', cleanSchemas())
    })
    expect(diff).toMatchObject({
      added: ['group'],
      removed: ['owner'],
      sources: { removed: ['web'] },
      schemas: { added: ['made', 'resized', 'closed'] },
    })
  })

  test('parts of an entity', () => {
    const { modified } = changed((set) => {
      put(set, 'entities.item.properties.size.max', 50)
      put(set, 'entities.item.properties.colour', { type: 'string' })
      put(set, 'entities.item.properties.open', undefined)
      put(set, 'entities.item.states.on.when.resized.guard', undefined)
      put(set, 'entities.item.states.on.after[0].threshold', '31d')
      put(set, 'entities.item.states.off.after', [
        { type: 'expiration', threshold: '1d', effects: [{ transition: { to: 'on' } }] },
      ])
      put(set, 'entities.item.states.sold', {})
      put(set, 'entities.item.always', undefined)
      put(set, 'entities.item.relationships[0].properties.share', undefined)
      put(set, 'entities.item.identity.key.match', 'exact')
    })
    expect(Object.keys(modified)).toEqual(['item'])
    expect(modified.item).toEqual({
      addedProperties: ['colour'],
      removedProperties: ['open'],
      changedProperties: ['size'],
      addedStates: ['sold'],
      removedStates: [],
      changedStates: ['on', 'off'],
      addedHandlers: [],
      removedHandlers: ['always.closed'],
      changedHandlers: ['on.resized'],
      addedTimeRules: ['off.after[0]'],
      removedTimeRules: [],
      changedTimeRules: ['on.after[0]'],
      addedRelationships: [],
      removedRelationships: [],
      changedRelationships: ['owned_by'],
      identityChanged: true,
      startsChanged: false,
    })
  })

  test('parts of sources and schemas', () => {
    const before = cleanSet()
    put(before, 'schemas', cleanSchemas())
    const after = structuredClone(before)
    put(after, 'sources.web.timestamp', 'when')
    put(after, 'sources.web.events.made.raw_type', 'm')
    put(after, 'schemas.made.fields.code', undefined)
    put(after, 'schemas.made.fields.name.required', true)
    const diff = diffDefinitions(fromObject(before).definitions, fromObject(after).definitions)
    expect(diff.sources.modified.web).toEqual({
      addedEvents: [],
      removedEvents: [],
      changedEvents: ['made'],
      changedKeys: ['timestamp'],
    })
    expect(diff.schemas.modified.made).toEqual({ addedFields: [], removedFields: ['code'], changedFields: ['name'] })
  })
})
