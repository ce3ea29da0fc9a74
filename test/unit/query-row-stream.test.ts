import { expect, it } from 'vitest'
import { RowStream } from '../../src/query/row-stream.ts'

function batches(ended: string[], ...sizes: number[]): AsyncGenerator<readonly number[], void, void> {
  let row = 0
  return (async function* () {
    try {
      for (const size of sizes) {
        await Promise.resolve()
        if (size < 0) throw new Error('cut')
        yield Array.from({ length: size }, () => row++)
      }
    } finally {
      ended.push('ended')
    }
  })()
}

it('gives the rows of all batches in order, empty ones too', async () => {
  const seen: number[] = []
  for await (const row of new RowStream(batches([], 2, 0, 3))) seen.push(row)
  expect(seen).toEqual([0, 1, 2, 3, 4])
})

it('calls that do not wait for each other get their rows in order', async () => {
  const stream = new RowStream(batches([], 2, 2))
  const results = await Promise.all(Array.from({ length: 6 }, () => stream.next()))
  expect(results.map(({ value }) => value)).toEqual([0, 1, 2, 3, undefined, undefined])
})

it('leaving early ends the source once', async () => {
  const ended: string[] = []
  for await (const row of new RowStream(batches(ended, 3, 3))) if (row === 1) break
  expect(ended).toEqual(['ended'])
  const stream = new RowStream(batches(ended, 3))
  await stream.next()
  expect(await stream.return()).toEqual({ done: true, value: undefined })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  expect(ended).toEqual(['ended', 'ended'])
})

it('an error of the source comes after its rows, then nothing', async () => {
  const stream = new RowStream(batches([], 1, -1))
  expect((await stream.next()).value).toBe(0)
  await expect(stream.next()).rejects.toThrow('cut')
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})
