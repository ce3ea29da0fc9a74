import { expect, test } from 'vitest'
import { oracle } from '../oracle/oracle.ts'
import { END, inFolder, Player } from '../support/scenario.ts'
import { sorted } from '../support/world.ts'

const definitions = {
  entities: {
    person: {
      starts: 'known',
      identity: { a: {}, b: {} },
      states: { known: { when: { seen: { effects: ['create'] } } } },
      relationships: [{ type: 'owns', target: 'thing', cardinality: 'has_many' }],
    },
    thing: {
      starts: 'open',
      identity: { k: {} },
      states: {
        open: {
          when: {
            linked: {
              effects: ['create', { relate: { type: 'owned_by', target: 'person', hints: { person: ['a', 'b'] } } }],
            },
          },
        },
      },
      relationships: [{ type: 'owned_by', target: 'person', cardinality: 'belongs_to' }],
    },
  },
  sources: {
    main: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        seen: { mappings: { a: { from: 'a' }, b: { from: 'b' } }, hints: { person: ['a', 'b'] } },
        linked: { mappings: { k: { from: 'k' }, a: { from: 'a' }, b: { from: 'b' } }, hints: { thing: ['k'] } },
      },
    },
  },
}

const linked = (at: number, k: string, who: object): object => ({ kind: 'linked', at: 1704067200 + at, k, ...who })

const cases: [string, object[]][] = [
  [
    'two targets without events turn out to be one',
    [linked(1, 'k1', { a: 'a1' }), linked(2, 'k2', { b: 'b1' }), linked(3, 'k3', { a: 'a1', b: 'b1' })],
  ],
  [
    'a thing moves on to a target that is the same person as before',
    [
      linked(1, 'k1', { a: 'a1' }),
      linked(2, 'k2', { b: 'b1' }),
      { kind: 'seen', at: 1704067210, a: 'a1', b: 'b1' },
      linked(20, 'k1', { b: 'b1' }),
      linked(21, 'k2', { a: 'a1' }),
    ],
  ],
  [
    'a belongs_to edge ends although its target was merged away before',
    [
      linked(1, 'k1', { a: 'a1' }),
      linked(2, 'k2', { b: 'b1' }),
      { kind: 'seen', at: 1704067210, a: 'a1', b: 'b1' },
      linked(20, 'k1', { a: 'a2' }),
      linked(21, 'k2', { a: 'a2' }),
    ],
  ],
]

test.each(cases)('%s', async (_title, records) => {
  const deliveries = records.map((record) => ({ source: 'main', record }))
  const expected = sorted(oracle(definitions, deliveries, Date.parse(END)).world)
  // Several seeds: which of two ids survives is a matter of their order.
  for (let seed = 0; seed < 6; seed += 1) {
    await inFolder(async (folder) => {
      const player = new Player(definitions, `${folder}/defacto.db`, seed)
      await player.open({})
      for (const delivery of deliveries) await player.ingest([delivery], true)
      const outcome = await player.finish()
      await player.close()
      expect(outcome.world).toEqual(expected)
    })
  }
})
