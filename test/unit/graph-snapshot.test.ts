/** The snapshot of a graph that several wait for (spec 06 §9.4). */
import { getEventListeners } from 'node:events'
import { expect, it } from 'vitest'
import { GraphMemory, type GraphSource } from '../../src/query/graph/memory.ts'

function memoryOf(cursor: boolean): {
  memory: GraphMemory<string>
  load: PromiseWithResolvers<string>
  loads: () => number
} {
  const load = Promise.withResolvers<string>()
  let loads = 0
  const source = { program: {}, version: 'v1', ...(cursor && { cursor: async () => '1' }) } as unknown as GraphSource
  const memory = new GraphMemory(
    () => source,
    () => {
      loads += 1
      return load.promise
    },
  )
  return { memory, load, loads: () => loads }
}

it.each([true, false])('one who is called off need not wait for it, the others get it (cursor: %s)', async (cursor) => {
  const { memory, load, loads } = memoryOf(cursor)
  const stop = new AbortController()
  const called = memory.graph({ signal: stop.signal })
  const other = memory.graph()
  stop.abort(new Error('enough'))
  await expect(called).rejects.toThrow('enough')
  load.resolve('graph')
  expect(await other).toBe('graph')
  expect(loads()).toBe(cursor ? 1 : 2)
})

it('leaves no listener behind', async () => {
  const { memory, load } = memoryOf(true)
  const { signal } = new AbortController()
  load.resolve('graph')
  await memory.graph({ signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
