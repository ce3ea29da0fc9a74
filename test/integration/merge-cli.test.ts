/** `defacto merge` as people and scripts use it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Project } from '../support/cli.ts'
import { merging, RECORDS } from '../support/merging.ts'

let project: Project
beforeAll(async () => {
  project = new Project()
  // YAML takes JSON.
  for (const [name, entity] of Object.entries(merging.entities)) {
    project.put(`entities/${name}.yaml`, JSON.stringify({ [name]: entity }))
  }
  project.put('sources/web.yaml', JSON.stringify(merging.sources))
  project.put('records.ndjson', RECORDS.map((record) => JSON.stringify(record)).join('\n'))
  const taken = await project.run(['ingest', 'web', 'records.ndjson'])
  expect(taken.err + taken.code).toMatch(/0$/)
  expect((await project.run(['build'])).code).toBe(0)
}, 60_000)
afterAll(() => project.remove())

const json = (...args: string[]) => project.json(args)

it('asks, merges once, and says what it did', { timeout: 60_000 }, async () => {
  const { out } = await project.run(['table', 'person', '-o', 'jsonl'])
  const people = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const idOf = (plan: string, seen: number): string =>
    String(people.find((row) => row['plan'] === plan && row['seen'] === seen)?.['person_id'])
  const [ann, bob] = [idOf('team', 3), idOf('free', 2)]

  expect(await project.run(['merge', ann, bob])).toMatchObject({ code: 2 })
  const unasked = await project.run(['merge', ann, bob, '--reason', 'one person'])
  expect(unasked).toMatchObject({ code: 8 })
  const merged = await json('merge', ann, bob, '--reason', 'one person', '--yes')
  expect(merged.code).toBe(0)
  expect(merged.data).toMatchObject({ from_entity_id: ann, into_entity_id: bob, events_reassigned: 3, failures: 0 })
  expect((await json('merge', ann, bob, '--reason', 'again', '--yes')).data).toMatchObject({ noop: 'already-merged' })
  const told = await project.run(['merge', 'nobody', bob, '--reason', 'typo', '--yes'])
  expect(told.out + told.err).toContain('there is no such entity to merge')
  const wrong = await project.run(['merge', bob, ann, '--reason', 'the other way', '--yes'])
  expect(wrong.code).not.toBe(0)
  expect(wrong.err).toContain(`merged into '${bob}'`)
})
