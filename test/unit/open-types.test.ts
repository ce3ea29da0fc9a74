/** Definitions written where a space is opened, or a handle connected, type its tables and sources. */
import { expect, expectTypeOf, it } from 'vitest'
import type { HistoryRow, Row } from '../../src/definition-types.ts'
import { Defacto } from '../../src/index.ts'
import type { Queries } from '../../src/queries.ts'
import type { DefactoQuery } from '../../src/query-handle.ts'

it('of an open space', async () => {
  await using space = await Defacto.open(
    {
      entities: {
        customer: {
          starts: 'lead',
          identity: { email: {} },
          properties: { plan: { type: 'string' }, seats: { type: 'integer' } },
          states: { lead: { when: { signed: { effects: ['create', { set: { property: 'plan', value: 'pro' } }] } } } },
        },
      },
      sources: {
        crm: {
          event_type: 'kind',
          timestamp: 'at',
          events: { signed: { mappings: { email: { from: 'email' } }, hints: { customer: ['email'] } } },
        },
      },
    },
    { database: ':memory:', logLevel: 'ERROR' },
  )
  await space.ingest('crm', [{ kind: 'signed', at: '2024-01-01', email: 'a@x' }], { process: true })
  const [row] = await space.table('customer').rows()
  expectTypeOf(row?.plan).toEqualTypeOf<string | null | undefined>()
  expectTypeOf(row?.seats).toEqualTypeOf<number | bigint | null | undefined>()
  expectTypeOf(row?.customer_state).toEqualTypeOf<'lead' | undefined>()
  expect(row).toMatchObject({ plan: 'pro', seats: null, customer_state: 'lead' })
  // @ts-expect-error: there is no such type.
  expect(() => space.table('custommer')).toThrow(/did you mean 'customer'/)
  // @ts-expect-error: there is no such source.
  await expect(space.ingest('erp', [])).rejects.toThrow(/erp/)
  expectTypeOf(space.version).returns.toEqualTypeOf<Queries>()
})

it('of a handle', () => {
  type Shop = {
    readonly entities: {
      readonly customer: {
        readonly starts: 'lead'
        readonly identity: { readonly email: null }
        readonly properties: { readonly plan: { readonly type: 'string' } }
        readonly states: { readonly lead: null }
      }
    }
  }
  type Handle = DefactoQuery<Shop>
  const current = (handle: Handle) => handle.table('customer').rows()
  const past = (handle: Handle) => handle.history('customer').rows()
  expectTypeOf(current).returns.resolves.items.toEqualTypeOf<Row<Shop, 'customer'>>()
  expectTypeOf(past).returns.resolves.items.toEqualTypeOf<HistoryRow<Shop, 'customer'>>()
  expectTypeOf<Handle['version']>().returns.toEqualTypeOf<Queries>()
})
