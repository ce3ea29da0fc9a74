/** Small entity types and events shared by the rules of interpretation and time. */
import assert from 'node:assert/strict'
import { historyWrite } from '../../src/core/history-rows.ts'
import { event, programOf, run, thing, time } from './core-world.ts'

export const core = (name: string): string => `src/core/${name}.ts`
export const born = event(1, 'new', '01-01')
export const when = { new: { effects: ['create'] } }
export const to = (state: string) => ({ transition: { to: state } })
export const upTo = (at: string) => ({ advanceTo: time(at) })
export const add = (property: string) => ({ increment: { property } })
export const counters = {
  i: { type: 'integer', default: 0 },
  d: { type: 'integer', default: 0 },
  x: { type: 'integer', default: 0 },
}

export const sleepy = () =>
  thing({
    states: {
      on: { when, after: [{ type: 'inactivity', threshold: '10d', effects: [to('asleep')] }] },
      asleep: {
        when: { ping: { effects: [to('on')] } },
        after: [{ type: 'state_duration', threshold: '5d', effects: [to('gone')] }],
      },
      gone: {},
    },
  })
export const counting = () =>
  thing({
    properties: counters,
    states: {
      on: {
        when: { ...when, again: { effects: [to('on')] }, up: { effects: [add('i')] } },
        after: [
          { type: 'inactivity', threshold: '2d', effects: [add('i')] },
          { type: 'state_duration', threshold: '2d', effects: [add('d')] },
          { type: 'expiration', threshold: '2d', effects: [add('x')] },
        ],
      },
    },
  })
export const loan = () => {
  const program = programOf({
    entities: {
      loan: {
        starts: 'on',
        identity: { no: {} },
        states: {
          on: {
            when: {
              ...when,
              lent: { effects: [{ relate: { type: 'taken_by', target: 'member', hints: { member: ['card'] } } }] },
            },
          },
        },
        relationships: [{ type: 'taken_by', target: 'member', cardinality: 'belongs_to' }],
      },
      member: {
        starts: 'on',
        identity: { card: { match: 'case_insensitive' } },
        states: { on: { when } },
        relationships: [{ type: 'took', target: 'loan', cardinality: 'has_many' }],
      },
    },
  })
  const entity = program.entities.get('loan')
  assert.ok(entity)
  return entity
}
export const lent = (sequence: number, at: string, card: string) => event(sequence, 'lent', at, { card })

/** Rows as `from state last-event` and the touch of a fold in two parts. */
export function written(
  entity: ReturnType<typeof thing>,
  first: Parameters<typeof run>[1],
  second: Parameters<typeof run>[1],
) {
  const before = run(entity, first).state
  return historyWrite(before, run(entity, second, { from: before }), { generation: 1, revision: 1, replace: false })
}
