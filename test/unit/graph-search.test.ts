/** Searches level by level, against trying every way. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareText } from '../../src/core/expression/code-points.ts'
import { levels, type Step, shortestPath } from '../../src/query/graph/search.ts'

const NODES = 'abcdefghij'.split('')
/** Edges between letters that are near each other, so that paths are long; shuffled, so that the order of ids means nothing. */
const graphs = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(NODES.length - 1), fc.nat(3)), { minLength: 12, maxLength: 30 }),
    fc.shuffledSubarray(NODES.slice(1, -1), { minLength: NODES.length - 2 }),
  )
  .map(([edges, inner]) => {
    const ids = ['a', ...inner, 'j']
    return edges.map(([from, far]) => [ids[from], ids[Math.min(from + far, ids.length - 1)]] as [string, string])
  })

type Pairs = readonly (readonly [string, string])[]
const both = (pairs: Pairs): Pairs => [...pairs, ...pairs.map(([a, b]) => [b, a] as const)]

function stepsOf(pairs: Pairs): { calls: string[][]; steps: (ids: readonly string[]) => Promise<Step[]> } {
  const calls: string[][] = []
  const steps = async (ids: readonly string[]): Promise<Step[]> => {
    calls.push([...ids])
    return both(pairs).filter(([from]) => ids.includes(from)) as Step[]
  }
  return { calls, steps }
}

/** The best of all ways without repetition, shortest first. */
function bestWay(pairs: Pairs, from: string, to: string, maxDepth: number): string[] {
  let ways = [[from]]
  for (let length = 0; length <= maxDepth; length++) {
    const [best] = ways.filter((way) => way.at(-1) === to).sort((a, b) => compareText(a.join(''), b.join('')))
    if (best !== undefined) return best
    ways = ways.flatMap((way) => {
      const next = both(pairs).filter(([a, b]) => a === way.at(-1) && !way.includes(b))
      return [...new Set(next.map(([, b]) => b))].map((id) => [...way, id])
    })
  }
  return []
}

it('the path found is the smallest of the shortest', async () => {
  let long = 0
  await fc.assert(
    fc.asyncProperty(graphs, fc.integer({ min: 0, max: 6 }), async (pairs, maxDepth) => {
      const { calls, steps } = stepsOf(pairs)
      const found = await shortestPath('a', 'j', maxDepth, steps)
      expect(found).toEqual(bestWay(pairs, 'a', 'j', maxDepth))
      expect(calls.length).toBeLessThanOrEqual(maxDepth)
      if (found.length > 3) long += 1
    }),
    { numRuns: 1000 },
  )
  expect(long).toBeGreaterThan(100)
})

it('of two shortest paths the first difference decides, on either side of where the searches meet', async () => {
  const ladder: Pairs = ['abxj', 'abyj', 'acxj'].flatMap((way) =>
    [...way].slice(1).map((id, i) => [way[i] as string, id] as const),
  )
  expect(await shortestPath('a', 'j', 9, stepsOf(ladder).steps)).toEqual(['a', 'b', 'x', 'j'])
  const crossed: Pairs = [
    ['a', 'c'],
    ['c', 'd'],
    ['d', 'j'],
    ['a', 'b'],
    ['b', 'z'],
    ['z', 'j'],
  ]
  expect(await shortestPath('a', 'j', 9, stepsOf(crossed).steps)).toEqual(['a', 'b', 'z', 'j'])
  expect(await shortestPath('j', 'a', 9, stepsOf(crossed).steps)).toEqual(['j', 'd', 'c', 'a'])
})

it('every level is one call, and only entities that are new are asked for', async () => {
  const { calls, steps } = stepsOf([
    ['a', 'c'],
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'd'],
  ])
  expect(await levels('a', 9, steps)).toEqual([['a'], ['b', 'c'], ['d']])
  expect(calls).toEqual([['a'], ['b', 'c'], ['d']])
})

it('the search grows from the end with fewer entities', async () => {
  const hub: Pairs = Array.from({ length: 1000 }, (_, i) => ['hub', `n${i}`] as const)
  const { calls, steps } = stepsOf([...hub, ['n7', 'm'], ['m', 'far']])
  expect(await shortestPath('hub', 'far', 9, steps)).toEqual(['hub', 'n7', 'm', 'far'])
  expect(Math.max(...calls.map((call) => call.length))).toBe(1)
})
