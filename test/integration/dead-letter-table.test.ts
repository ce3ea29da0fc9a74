/** Dead letters in the space's own database (spec 07 §9): the sink, reading its records again, and the command. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableLetters } from '../../src/dead-letters.ts'
import { Defacto } from '../../src/index.ts'
import type { DeadLetterEntry, DeadLetterStatus } from '../../src/ports/dead-letter.ts'
import { Project } from '../support/cli.ts'
import { joined, people } from '../support/people.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'

async function lettersOf(defacto: Defacto, status: DeadLetterStatus): Promise<DeadLetterEntry[]> {
  const { log, location } = defacto.operations()
  const entries: DeadLetterEntry[] = []
  for await (const entry of tableLetters(log.letters, location).read({ status })) entries.push(entry)
  return entries
}

/** Bad records go into the table, come back out of it, and those that fail again are new letters. */
async function assertKept(place: { database: string; namespace?: string }): Promise<void> {
  const options = { ...place, deadLetter: { type: 'table' } } as const
  const defacto = await Defacto.fromConfig(people(), options)
  try {
    // More than one page of them.
    const bad = Array.from({ length: 600 }, (_, i) => ({ nothing: `right ${i}`, big: 9007199254740993n }))
    const result = await defacto.ingest('web', [joined('M1', 1), ...bad], { throwIfAllFail: false })
    expect([result.eventsIngested, result.eventsFailed]).toEqual([1, 600])
    const open = await lettersOf(defacto as unknown as Defacto, 'open')
    expect(open.map(({ failure }) => failure)).toEqual(result.failures)
    expect(open[7]?.failure.raw).toEqual(bad[7])
    expect((await defacto.stats()).deadLetterErrors).toBe(0)

    const again = await defacto.reprocessDeadLetters()
    expect(again.eventsFailed).toBe(600)
    expect(await lettersOf(defacto as unknown as Defacto, 'retried')).toHaveLength(600)
    expect(await lettersOf(defacto as unknown as Defacto, 'open')).toHaveLength(600)
  } finally {
    await defacto.close()
  }
}

it('a SQLite space keeps its letters', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-letters-'))
  try {
    await assertKept({ database: join(folder, 'd.db') })
  } finally {
    await rm(folder, { recursive: true })
  }
})

describePostgres('in Postgres', () => {
  it('a space keeps its letters', async () => {
    const { url, namespace, drop } = freshNamespace()
    try {
      await assertKept({ database: url, namespace })
    } finally {
      await drop()
    }
  })
})

describe('defacto dlq', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
    await writeFile(project.path('defacto.config.yaml'), 'dead_letter: { type: table }\n')
  })
  afterAll(() => project.remove())

  it('lists, shows, retries and drops what is in the table', async () => {
    const lines = [
      { type: 'signup', timestamp: '2024-01-01T00:00:00Z', email: 'a@x.org' },
      { type: 'nonsense', timestamp: '2024-02-01T00:00:00Z', email: 'a@x.org' },
      { type: 'signup', email: 'b@x.org' },
    ]
    project.put('in.ndjson', `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"torn"\n`)
    expect(await project.json(['ingest', 'app', 'in.ndjson'])).toMatchObject({ data: { read: 4, failed: 3 } })
    const list = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string; place: string }[] }
    expect(list.data.map(({ place }) => place)).toEqual(['in.ndjson:2', 'in.ndjson:3', 'in.ndjson:4'])
    expect((await project.json(['dlq', 'list', '--source', 'other'])).data).toEqual([])
    const second = list.data[1]?.id as string
    expect((await project.json(['dlq', 'show', second])).data).toMatchObject({ id: second, raw: lines[2] })
    expect(await project.json(['dlq', 'show', 'l_f'])).toMatchObject({ code: 7 })

    const retried = await project.json(['dlq', 'retry', second])
    expect(retried).toMatchObject({ code: 4, data: { retried: 1, failed: 1 } })
    const open = (await project.json(['dlq', 'list'])) as unknown as { data: { id: string; place: string }[] }
    expect(open.data.map(({ place }) => place)).toEqual(['in.ndjson:2', 'in.ndjson:4', 'in.ndjson:3'])
    const drop = ['dlq', 'drop', open.data[0]?.id as string, '--reason', 'test record', '--yes']
    expect((await project.json(drop)).data).toEqual({ dropped: 1 })
    const dropped = await project.json(['dlq', 'list', '--status', 'dropped'])
    expect(dropped.data).toMatchObject([{ id: open.data[0]?.id }])
    expect((await project.json(['doctor'])).data).toMatchObject({
      checks: expect.arrayContaining([expect.objectContaining({ check: 'dead letters', state: 'warn' })]),
    })
  }, 30_000)
})
