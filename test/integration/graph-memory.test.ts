/** The option `graph: "memory"`: core operations on a snapshot that follows builds (spec 06 §9.3). */
import { expect, it } from 'vitest'
import { Defacto } from '../../src/index.ts'
import { join, PEOPLE } from '../support/export-space.ts'

it('answers from memory, and anew after a build', async () => {
  await using space = await Defacto.fromConfig(PEOPLE, { graph: 'memory', logLevel: 'ERROR' })
  await join(space, 0, 5)
  const company = (await space.identity.lookup('x.org')) ?? ''
  const people = await space.neighbors(company).rows()
  expect(people).toHaveLength(5)
  await join(space, 5, 6)
  expect(await space.neighbors(company).count()).toBe(6)
  await space.graph.refresh()
  const [a, b] = people.map(({ entity_id }) => entity_id) as [string, string]
  expect(await space.path(a, b)).toEqual([a, company, b])
  expect(await space.traverse(a, 'works_at', { directed: false, depth: 2 }).count()).toBe(7)
  expect(await space.related(a, 'works_at').select('domain').rows()).toEqual([{ domain: 'x.org' }])
  expect(await space.neighbors(company, { asOf: '2000-01-01' }).count()).toBe(0)
  await expect(space.graph.query('RETURN 1')).rejects.toMatchObject({ code: 'E_QUERY_GRAPH' })
})

it('is memory or an address', async () => {
  const wrong = { name: 'ConfigError', message: expect.stringContaining("'memory'") }
  await expect(Defacto.fromConfig(PEOPLE, { graph: 'mem' })).rejects.toMatchObject(wrong)
})
