/** Things that relate to people nobody has heard of yet, under names that later turn out to be the same person. */

export const ownedThings = {
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

export const ownershipCases: [title: string, records: object[]][] = [
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
