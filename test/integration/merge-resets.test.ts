/** Merges by hand while identity rules change again and again (spec 05 §3.2). */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { idOf, merging, openMerging, seen } from '../support/merging.ts'
import { room } from '../support/room.ts'

const withIdentity = (normalize: string | null): object => ({
  ...merging,
  entities: {
    ...merging.entities,
    person: { ...merging.entities.person, identity: { mail: normalize === null ? {} : { normalize } } },
  },
})
const RULES = ["replace(value, '-', '')", null, "replace(value, '-', '_')", 'str::to_uppercase(value)']

test('a merge survives every change of how hints are written, under the same id', async () => {
  const folder = await mkdtemp(join(room(), 'defacto-resets-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const database = join(folder, 'space.db')
  const [first, ...others] = RULES.map(withIdentity)
  const begun = await openMerging({ database }, first)
  await begun.ingest('web', [seen('an-n', 1, 'free'), seen('b-ob', 2, 'pro'), seen('c-at', 3, 'pro')], {
    process: true,
  })
  const [ann, bob, cat] = [await idOf(begun, 'ann'), await idOf(begun, 'bob'), await idOf(begun, 'cat')]
  await begun.merge(ann, bob)
  await begun.close()
  for (const definitions of [...others, first]) {
    const engine = await openMerging({ database, activate: 'always' }, definitions)
    expect(await engine.build()).toMatchObject({ failures: [] })
    const rows = (await engine.table('person').rows()) as Record<string, unknown>[]
    expect(rows.map((row) => [row['person_id'], row['seen']]).sort()).toEqual(
      [
        [bob, 2],
        [cat, 1],
      ].sort(),
    )
    expect((await engine.ledger.eventsFor(bob)).length).toBe(3)
    await engine.close()
  }
})
