/** Every format and packing, interrupted at every chunk boundary and resumed: the same rows, letters and counts (spec 10 §4.6). */
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/ports/runs.ts'
import { csv, jsonArray, jsonDocument, ndjson, PACKINGS, packed, parquet } from '../support/ingest-parts.ts'
import { type Disturbance, IngestWorld, type Outcome, sale } from '../support/ingest-world.ts'

/** Some of them twice. */
const RECORDS = Array.from({ length: 40 }, (_, i) => sale(i % 33, i % 5 === 0 ? 'Ä "quoted", – 𝄞\nline' : 'plain'))
const PLAIN = Array.from({ length: 40 }, (_, i) => sale(i % 33))
const LIMITS = { max_ratio: 0.9, action: 'warn' }

interface Case {
  readonly name: string
  readonly input: Record<string, Json>
  write(world: IngestWorld): Promise<void> | void
}

const texts: readonly [string, Buffer | string, Record<string, Json>][] = [
  ['a.ndjson', ndjson(RECORDS), {}],
  ['a.json', jsonArray(RECORDS), {}],
  ['doc.json', jsonDocument(RECORDS), { records: 'result.items' }],
  ['a.csv', csv(RECORDS), {}],
  ['semicolon.csv', csv(RECORDS, ';'), { csv: { delimiter: ';', null: 'NULL' } }],
  ['wide.csv', Buffer.from(`\ufeff${csv(PLAIN)}`, 'utf16le'), { csv: { encoding: 'utf-16le' } }],
  [
    'latin.csv',
    Buffer.from(csv(PLAIN.map((one) => ({ ...one, note: 'Ä' }))), 'latin1'),
    { csv: { encoding: 'latin1' } },
  ],
]
const CASES: readonly Case[] = [
  ...texts.flatMap(([name, content, options]) =>
    PACKINGS.map((packing) => ({
      name: name + packing,
      input: { kind: 'files', path: `in/${name}${packing}`, settle: '0s', on_error: LIMITS, ...options },
      write: (world: IngestWorld) => void world.write(`in/${name}${packing}`, packed(content, packing)),
    })),
  ),
  {
    name: 'a.parquet',
    input: { kind: 'files', path: 'in/*.parquet', settle: '0s', on_error: LIMITS },
    write: async (world) => {
      world.write('in/.keep', '')
      await parquet(PLAIN, join(world.folder, 'in/a.parquet'))
    },
  },
]

async function read(one: Case, batch: number, disturbances: readonly Disturbance[]): Promise<Outcome> {
  await using world = await IngestWorld.open()
  await one.write(world)
  const { runId } = await world.ofInput({ ...one.input, batch })
  const { run, error } = await world.endure(runId, disturbances)
  expect(error).toBeNull()
  return await world.outcome(run)
}

describe.each(CASES.map((one) => [one.name, one] as const))('%s', (_name, one) => {
  test('is read whole, whatever the batch, and wherever it stops', async () => {
    const wanted = await read(one, 1000, [])
    expect(wanted.rows).toHaveLength(33)
    expect(wanted.stats['events_read']).toBe(40 + wanted.letters.length)
    expect(await read(one, 1, [])).toEqual(wanted)
    const boundaries = [1, 2, 3, 4, 5, 6]
    for (const at of boundaries) {
      expect(await read(one, 7, [{ stopAfter: at }])).toEqual(wanted)
      expect(await read(one, 7, [{ failAt: at }])).toEqual(wanted)
    }
  })
})

test('any batch, any interruptions', async () => {
  const one = fc.constantFrom(...CASES.filter(({ name }) => !name.startsWith('wide')))
  const disturbance = fc.oneof(
    fc.record({ stopAfter: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ failAt: fc.integer({ min: 1, max: 5 }) }),
  )
  const wanted = new Map<string, Outcome>()
  await fc.assert(
    fc.asyncProperty(
      one,
      fc.integer({ min: 1, max: 50 }),
      fc.array(disturbance, { maxLength: 6 }),
      async (one, batch, list) => {
        const known = wanted.get(one.name) ?? (await read(one, 1000, []))
        wanted.set(one.name, known)
        expect(await read(one, batch, list)).toEqual(known)
      },
    ),
    { numRuns: 40 },
  )
})
