/** The explorer itself, on models whose answers are known. */
import { describe, expect, test } from 'vitest'
import { COMES_TO_REST, explore, type Model, onCycle, type Step } from './explorer.ts'

/** A counter from 0 that each step raises by one or two, up to `end`. */
function counter(end: number, more: Partial<Model<number>> = {}): Model<number> {
  const to = (action: string, state: number): Step<number> => ({ action, fair: true, state })
  return {
    initial: 0,
    steps: (n) => [to('One()', n + 1), to('Two()', n + 2)].filter(({ state }) => state <= end),
    key: String,
    broken: () => [],
    brokenBy: () => [],
    unfinished: (n) => (n === end ? [] : ['AtEnd']),
    describe: String,
    ...more,
  }
}
const options = { maxStates: 100 }

describe('explorer', () => {
  test('visits every state once and counts steps, depth and ends', () => {
    const { states, transitions, depth, ends, actions, problem } = explore(counter(10), options)
    expect({ states, transitions, depth, ends, problem }).toEqual({
      states: 11,
      transitions: 19,
      depth: 6,
      ends: 1,
      problem: null,
    })
    expect([...actions]).toEqual(['One', 'Two'])
  })

  test('finds a broken invariant by a shortest way', () => {
    const { problem } = explore(counter(10, { broken: (n) => (n === 5 ? ['NotFive'] : []) }), options)
    expect(problem?.broken).toEqual(['NotFive'])
    expect(problem?.trace.split('\n')).toHaveLength(4)
    expect(problem?.trace).toMatch(/3\. (One|Two)\(\) +5\nbroken: NotFive$/)
  })

  test('sees what a step breaks although both states are fine', () => {
    const { problem } = explore(counter(10, { brokenBy: (a, b) => (a === 3 && b === 5 ? ['NoLeap'] : []) }), options)
    expect(problem?.broken).toEqual(['NoLeap'])
    expect(problem?.trace).toContain('Two()')
  })

  test('sees an end where work is left', () => {
    const stuck = counter(10, { steps: (n) => (n < 3 ? [{ action: 'One()', fair: true, state: n + 1 }] : []) })
    expect(explore(stuck, options).problem?.broken).toEqual(['AtEnd'])
  })

  test('takes steps of the environment, but does not wait for them', () => {
    const unfair = counter(3, { steps: (n) => (n < 3 ? [{ action: 'Maybe()', fair: false, state: n + 1 }] : []) })
    expect(explore(unfair, options).problem).toMatchObject({ broken: ['AtEnd'], trace: 'broken: AtEnd' })
  })

  test('sees fair steps that go round in circles', () => {
    const circle = counter(9, { steps: (n) => [{ action: 'Turn()', fair: true, state: n < 9 ? n + 1 : 4 }] })
    const { problem } = explore(circle, options)
    expect(problem?.broken).toEqual([COMES_TO_REST])
    expect(Number(problem?.trace.split('\n').at(-2)?.split(/\s+/).at(-1))).toBeGreaterThanOrEqual(4)
  })

  test('can look past the states that break other claims', () => {
    const model = counter(10, { broken: (n) => [...(n >= 2 ? ['Small'] : []), ...(n >= 6 ? ['Medium'] : [])] })
    expect(explore(model, options).problem?.broken).toEqual(['Small'])
    expect(explore(model, { ...options, only: 'Medium' }).problem?.broken).toEqual(['Small', 'Medium'])
  })

  test('never cuts a model off', () => {
    expect(() => explore(counter(10), { maxStates: 5 })).toThrow('more than 5 states')
  })

  test('tells cycles from joins', () => {
    expect(onCycle(4, [0, 1, 0, 2, 1, 3, 2, 3])).toBe(-1)
    expect([1, 2]).toContain(onCycle(4, [0, 1, 1, 2, 2, 1, 2, 3]))
  })
})
