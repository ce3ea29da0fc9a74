import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { canonicalJson, hashesOf, versionName } from '../../src/core/definition/canonical.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import { cleanSchemas, cleanSet, put } from '../support/clean-definitions.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const load = (set: object) => fromObject(set).definitions

/** What two sets have in common: names of the hashes that differ. */
function differing(change: (set: object) => void): string[] {
  const set = cleanSet()
  change(set)
  const [a, b] = [hashesOf(load(cleanSet())), hashesOf(load(set))]
  const hashes = (['definitionHash', 'sourceHash', 'identityHash'] as const).filter((key) => a[key] !== b[key])
  return versionName(load(cleanSet())) === versionName(load(set)) ? hashes : [...hashes, 'version']
}

describe('canonical JSON (spec 01 §6)', () => {
  test('sorted keys, no blanks, escaped beyond ASCII, list order kept', () => {
    expect(canonicalJson({ b: [3, 1, { z: null, a: true }], a: 'é"\\\n\u007f😀', '10': 1.5, '9': -0 })).toBe(
      '{"10":1.5,"9":0,"a":"\\u00e9\\"\\\\\\n\\u007f\\ud83d\\ude00","b":[3,1,{"a":true,"z":null}]}',
    )
  })
  test('keys sort by code point, not by UTF-16 unit', () => {
    expect(canonicalJson({ '\u{1f600}': 1, '\uffee': 2, a: 3, ab: 4 })).toBe(
      '{"a":3,"ab":4,"\\uffee":2,"\\ud83d\\ude00":1}',
    )
  })
  test('undefined members are left out', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}')
  })
})

describe('hashes and the version name', () => {
  test('are SHA-256 over the canonical form', () => {
    const definitions = load({
      entities: {
        a: { states: { s: { when: { e: { effects: [{ create: null }] } } } }, starts: 's', identity: { k: {} } },
      },
      sources: { w: { timestamp: 'at', event_type: 't', events: { e: { mappings: { k: {} }, hints: { a: 'k' } } } } },
      pipelines: { p: { steps: ['build'] } },
    })
    const entities =
      '{"a":{"identity":{"k":{"match":"exact"}},"starts":"s","states":{"s":{"when":{"e":{"effects":["create"]}}}}}}'
    const sources = '{"w":{"event_type":"t","events":{"e":{"hints":{"a":["k"]},"mappings":{"k":{}}}},"timestamp":"at"}}'
    expect(hashesOf(definitions)).toEqual({
      definitionHash: sha256(entities),
      sourceHash: sha256(`{"sources":${sources}}`),
      identityHash: sha256('{"a":{"k":{"match":"exact"}}}'),
    })
    expect(versionName(definitions)).toBe(sha256(`{"entities":${entities},"sources":${sources}}`).slice(0, 8))
  })

  test('say what a change costs', () => {
    expect(differing((set) => put(set, 'entities.item.properties.name.default', 'some'))).toEqual([
      'definitionHash',
      'version',
    ])
    expect(differing((set) => put(set, 'entities.owner.identity.code.match', 'case_insensitive'))).toEqual([
      'definitionHash',
      'identityHash',
      'version',
    ])
    expect(differing((set) => put(set, 'sources.web.timestamp', 'when'))).toEqual(['sourceHash', 'version'])
    expect(differing((set) => put(set, 'schemas', cleanSchemas()))).toEqual(['sourceHash', 'version'])
    expect(differing((set) => put(set, 'pipelines', { p: { steps: ['build'] } }))).toEqual([])
  })

  test('do not see how a thing is written', () => {
    expect(differing((set) => put(set, 'entities.owner.identity.code', { match: 'exact' }))).toEqual([])
    expect(differing((set) => put(set, 'sources.web.events.made.hints.item', 'key'))).toEqual([])
    expect(differing((set) => put(set, 'schemas', {}))).toEqual([])
    expect(differing((set) => put(set, 'entities.item.description', 'words'))).toEqual([])
    expect(
      differing((set) => {
        const entities = (set as { entities: { item: unknown; owner: unknown } }).entities
        put(set, 'entities', { owner: entities.owner, item: entities.item })
      }),
    ).toEqual([])
  })

  test('list order counts', () => {
    expect(differing((set) => put(set, 'entities.item.properties.count.allowed', [0, 2, 1]))).toEqual([
      'definitionHash',
      'version',
    ])
    expect(differing((set) => put(set, 'sources.web.events.resized.event_id', ['at', 'key']))).toEqual([
      'sourceHash',
      'version',
    ])
  })
})
