/** Names, addresses and values as Neo4j gets them. */
import fc from 'fast-check'
import neo4j from 'neo4j-driver'
import { describe, expect, it } from 'vitest'
import { neo4jAddress } from '../../src/adapters/neo4j/address.ts'
import { edgeTypeOf, labelOf, quoted } from '../../src/adapters/neo4j/names.ts'
import { fromNeo4j, toNeo4j } from '../../src/adapters/neo4j/values.ts'
import { instantFromEpoch } from '../../src/core/instant.ts'

describe('names', () => {
  it('are title case for entities, capitals for relationships', () => {
    const names = ['customer', 'support_ticket', 'vipCustomer', 'b2b_account', '_x'].map(labelOf)
    expect(names).toEqual(['Customer', 'Support_Ticket', 'Vipcustomer', 'B2B_Account', '_X'])
    expect(edgeTypeOf('placed_order')).toBe('PLACED_ORDER')
  })

  it('cannot be left from inside', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('`', '\\', 'u0060', ')', 'a', '\n') }), (name) => {
        const inside = quoted(name).slice(1, -1)
        // As Cypher reads it: escapes of code points first, then backticks in pairs.
        const read = inside.replaceAll(/\\u([0-9A-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
        expect(inside).not.toMatch(/\\u0060/)
        expect(read.replaceAll('``', '')).not.toContain('`')
        expect(read.replaceAll('``', '`')).toBe(name)
      }),
    )
  })
})

describe('addresses', () => {
  it('are read with user, password and database; people see no password', () => {
    expect(neo4jAddress('neo4j+s://us%40er:p%3A%2F%40@db.example.com:7688/sales?policy=eu')).toEqual({
      uri: 'neo4j+s://db.example.com:7688?policy=eu',
      login: ['us@er', 'p:/@'],
      database: 'sales',
      shown: 'neo4j+s://us%40er@db.example.com:7688/sales',
    })
    expect(neo4jAddress('bolt://[::1]:7687')).toMatchObject({ uri: 'bolt://[::1]:7687', login: null, database: null })
    expect(neo4jAddress('bolt://a:b@h', ['c', 'd'])).toMatchObject({ login: ['c', 'd'], shown: 'bolt://c@h' })
  })

  it('that are none are refused without being repeated', () => {
    for (const url of ['', 'secret', 'http://u:secret@h', 'bolt:///secret', 'bolt://u:secret%@h', 'bolt://u:secret@']) {
      expect(() => neo4jAddress(url), url).toThrow(expect.objectContaining({ name: 'ConfigError' }))
      expect(() => neo4jAddress(url), url).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('secret') }),
      )
    }
  })
})

it('instants come back as they went', () => {
  const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })
  fc.assert(
    fc.property(micros, (at) => {
      const text = instantFromEpoch(at)?.toString()
      fc.pre(text !== undefined)
      expect(fromNeo4j(neo4j, toNeo4j(neo4j, 'datetime')(text))).toBe(text)
    }),
  )
})
