import { expect, test } from 'vitest'
import type { LedgerEvent } from '../../src/core/event.ts'
import { historyWrite } from '../../src/core/history-rows.ts'
import { emptyState } from '../../src/core/interpret.ts'
import type { EntityState } from '../../src/core/snapshot.ts'
import { event, programOf, run, short, time } from '../support/core-world.ts'
import { MemoryHistory } from '../support/memory-history.ts'

const program = programOf({
  entities: {
    loan: {
      starts: 'open',
      identity: { no: {} },
      properties: { n: { type: 'integer', default: 0 } },
      states: {
        open: {
          when: {
            new: { effects: ['create'] },
            up: { effects: [{ increment: { property: 'n' } }] },
            lent: {
              effects: [
                {
                  relate: {
                    type: 'taken_by',
                    target: 'member',
                    hints: { member: ['card'] },
                    properties: { fee: { from: 'event.fee' } },
                  },
                },
              ],
            },
          },
          after: [{ type: 'expiration', threshold: '10d', effects: [{ set: { property: 'n', value: 99 } }] }],
        },
      },
      relationships: [
        { type: 'taken_by', target: 'member', cardinality: 'belongs_to', properties: { fee: { type: 'integer' } } },
      ],
    },
    member: {
      starts: 'on',
      identity: { card: {} },
      states: { on: { when: { new: { effects: ['create'] } } } },
      relationships: [{ type: 'took', target: 'loan', cardinality: 'has_many' }],
    },
  },
})
const loan = program.entities.get('loan') as NonNullable<ReturnType<typeof program.entities.get>>
const options = { generation: 1, revision: 1, replace: false }

function write(from: EntityState | null, events: LedgerEvent[], advanceTo?: string) {
  const start = from ?? emptyState('loan', 'id-1')
  const result = run(loan, events, { from: start, advanceTo: advanceTo === undefined ? null : time(advanceTo) })
  return {
    state: result.state,
    write: historyWrite(from === null ? null : start, result, { ...options, replace: from === null }),
  }
}

const born = event(1, 'new', '01-01')
const up = (sequence: number, at: string) => event(sequence, 'up', at)
const lent = (sequence: number, at: string, card: string, fee = 1) => event(sequence, 'lent', at, { card, fee })
const other = (sequence: number, at: string) => event(sequence, 'other', at)

test('rows are chained, the last is open; last event time grows until a row is closed', () => {
  const { write: w } = write(emptyState('loan', 'id-1'), [born, other(2, '01-03'), up(3, '01-04'), other(4, '01-06')])
  expect(
    w?.rows.map((row) => [short(row.validFrom), short(row.validTo), short(row.lastEventTime), row.sequence]),
  ).toEqual([
    ['01-01 00:00', '01-04 00:00', '01-03 00:00', 1],
    ['01-04 00:00', null, '01-06 00:00', 3],
  ])
  expect(w).toMatchObject({ id: 'id-1', type: 'loan', generation: 1, revision: 1, replace: false, touch: null })
})

test('changes at one instant are one row, the last', () => {
  const { write: w } = write(emptyState('loan', 'id-1'), [born, up(2, '01-01'), up(3, '01-01'), up(4, '01-02')])
  expect(w?.rows.map((row) => [short(row.validFrom), row.properties['n'], row.sequence])).toEqual([
    ['01-01 00:00', 2, 3],
    ['01-02 00:00', 3, 4],
  ])
})

test('a rule makes a row without a sequence', () => {
  const { write: w } = write(emptyState('loan', 'id-1'), [born], '02-01')
  expect(w?.rows.map((row) => [short(row.validFrom), row.sequence, short(row.lastEventTime)])).toEqual([
    ['01-01 00:00', 1, '01-01 00:00'],
    ['01-11 00:00', null, '01-01 00:00'],
  ])
})

test('a touch alone, a touch before a change, nothing at all', () => {
  const { state } = write(emptyState('loan', 'id-1'), [born])
  expect(write(state, [other(2, '01-03')]).write).toMatchObject({
    rows: [],
    touch: time('01-03'),
    edges: [],
    closedEdges: [],
  })
  expect(write(state, [other(2, '01-03'), up(3, '01-04')]).write).toMatchObject({ touch: time('01-03') })
  expect(write(state, [other(2, '01-01')]).write).toBeNull()
  expect(write(state, [], '01-02').write).toBeNull()
  // Ids that are no entities yet have no row to touch.
  expect(write(emptyState('loan', 'id-1'), [other(1, '01-01')]).write).toBeNull()
})

test('a rebuild always writes, complete', () => {
  expect(write(null, [other(1, '01-01')]).write).toMatchObject({ replace: true, rows: [], touch: null })
  expect(write(null, [born, up(2, '01-02')]).write?.rows.length).toBe(2)
})

test('edges: started, changed, ended, and none that lasts no time', () => {
  const start = write(emptyState('loan', 'id-1'), [born, lent(2, '01-01', 'a')])
  expect(start.write).toMatchObject({
    closedEdges: [],
    edges: [{ targetId: 'a', validFrom: time('01-01'), validTo: null }],
  })
  const changed = write(start.state, [
    lent(3, '01-02', 'a', 2),
    lent(4, '01-03', 'b'),
    lent(5, '01-03', 'c'),
    lent(6, '01-04', 'a'),
  ])
  expect(changed.write?.closedEdges).toEqual([{ type: 'taken_by', targetId: 'a', at: time('01-02') }])
  expect(
    changed.write?.edges.map((edge) => [
      edge.targetId,
      edge.properties['fee'],
      short(edge.validFrom),
      short(edge.validTo),
    ]),
  ).toEqual([
    ['a', 2, '01-02 00:00', '01-03 00:00'],
    ['c', 1, '01-03 00:00', '01-04 00:00'],
    ['a', 1, '01-04 00:00', null],
  ])
})

test('any cut into batches gives the same history', () => {
  const events = [
    born,
    lent(2, '01-01', 'a'),
    other(3, '01-02'),
    lent(4, '01-03', 'b'),
    lent(5, '01-03', 'a'),
    up(6, '01-03'),
    other(7, '01-04'),
    up(8, '01-05'),
    lent(9, '01-05', 'c'),
    other(10, '01-12'),
    up(11, '01-12'),
    other(12, '01-13'),
  ]
  const whole = new MemoryHistory()
  const all = write(emptyState('loan', 'id-1'), events, '03-01')
  if (all.write !== null) whole.apply(all.write)
  for (let cuts = 0; cuts < 1 << (events.length - 1); cuts += 7) {
    const history = new MemoryHistory()
    let state = emptyState('loan', 'id-1')
    let batch: LedgerEvent[] = []
    for (const [index, one] of events.entries()) {
      batch.push(one)
      if (((cuts >> index) & 1) === 0 && index < events.length - 1) continue
      const part = write(state, batch, index === events.length - 1 ? '03-01' : undefined)
      if (part.write !== null) history.apply(part.write)
      state = part.state
      batch = []
    }
    expect(history.entities).toEqual(whole.entities)
  }
})
