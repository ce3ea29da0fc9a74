import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineageOf } from '../../src/core/lineage.ts'
import { Definitions } from '../../src/definitions.ts'
import { assetsOf } from '../../src/orchestration/assets/derive.ts'
import { stateOf } from '../../src/orchestration/assets/freshness.ts'
import { writtenBy } from '../../src/orchestration/assets/info.ts'
import { check, checksOf } from '../../src/orchestration/checks/code.ts'
import { median } from '../../src/orchestration/checks/work.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { ROOT } from '../support/clone.ts'
import { teams } from '../support/orchestration.ts'
import { room } from '../support/room.ts'

const shop = (await Definitions.fromDirectory(join(ROOT, 'test/fixtures/definitions/shop'))).toObject()
const small = Definitions.fromObject(teams() as never).toObject()

describe('assets', () => {
  it('are derived from definitions, with the pipelines that write them', () => {
    const nightly = readPipeline('nightly', {
      inputs: { files: { source: 'web', kind: 'inbox' } },
      steps: ['ingest', 'build', 'flush'],
    })
    const hourly = readPipeline('hourly', { steps: ['tick'] })
    const assets = assetsOf(small, [nightly, hourly])
    expect(assets.map(({ name, pipelines }) => [name, pipelines.join(' ')])).toEqual([
      ['source/web', 'nightly'],
      ['ledger', 'nightly'],
      ['dead_letters', 'nightly'],
      ['identity', 'nightly'],
      ['entity/person/history', 'nightly hourly'],
      ['entity/person', 'nightly hourly'],
      ['entity/team/history', 'nightly hourly'],
      ['entity/team', 'nightly hourly'],
      ['relationship/in_team', 'nightly hourly'],
      ['relationship/has_member', 'nightly hourly'],
      ['cold', 'nightly'],
    ])
    expect(assetsOf(small, [], { tiered: false }).map(({ name }) => name)).not.toContain('cold')
    expect(writtenBy('ingest', assets, 'web').map(({ name }) => name)).toEqual(['source/web', 'ledger', 'dead_letters'])
    expect(writtenBy('flush', assets).map(({ name }) => name)).toEqual(['cold'])
  })

  it('lead from sources to everything, without a circle', () => {
    for (const definitions of [shop, small]) {
      const assets = assetsOf(definitions, [])
      const known = new Map(assets.map((asset) => [asset.name, asset]))
      const reaches = (name: string, path: readonly string[]): boolean => {
        expect(path).not.toContain(name)
        const asset = known.get(name)
        expect(asset).toBeDefined()
        if (asset?.kind === 'source') return true
        return asset?.upstream.some((each) => reaches(each.name, [...path, name])) ?? false
      }
      for (const { name } of assets) expect(reaches(name, [])).toBe(true)
    }
  })

  it('have lineage by column: source field, event property, entity property', () => {
    const { nodes, edges } = lineageOf(small)
    const from = (to: string): string[] =>
      edges.filter((edge) => edge.to === to).map((edge) => `${edge.from} ${edge.via}`)
    expect(from('event/upgraded/plan')).toEqual(['source/web/plan copy'])
    expect(from('property/person/plan')).toEqual(['event/upgraded/plan copy'])
    expect(from('property/person/n')).toEqual(['event/used/(occurrence) increment'])
    expect(from('identity/team/code')).toEqual(['event/founded/code hint'])
    expect(from('relationship/in_team/(target)')).toEqual(['event/teamed/code hint'])
    const ids = new Set(nodes.map(({ id }) => id))
    for (const edge of [...edges, ...lineageOf(shop).edges]) {
      // What comes later in the flow never feeds what comes before; properties may feed each other.
      const order = ['source', 'event', 'identity', 'property', 'relationship']
      const [a, b] = [edge.from, edge.to].map((id) => order.indexOf(id.split('/')[0] ?? ''))
      expect(a).toBeLessThanOrEqual(b as number)
    }
    for (const { from: start, to } of edges) expect(ids.has(start) && ids.has(to)).toBe(true)
  })
})

describe('freshness', () => {
  it('is ok up to a bound and worse beyond it', () => {
    expect(stateOf(null, 1, 2)).toBe('unknown')
    const lag = fc.integer({ min: 0, max: 100 })
    const bound = fc.option(fc.integer({ min: 0, max: 100 }), { nil: null })
    fc.assert(
      fc.property(lag, bound, bound, (lagMs, warnMs, errorMs) => {
        const expected = lagMs > (errorMs ?? Infinity) ? 'error' : lagMs > (warnMs ?? Infinity) ? 'warn' : 'ok'
        expect(stateOf(lagMs, warnMs, errorMs)).toBe(expected)
      }),
    )
  })
})

describe('the median', () => {
  it('is the middle, or between the two in the middle', () => {
    expect(median([])).toBeNull()
    expect(median([5])).toBe(5)
    expect(median([10, 2, 3])).toBe(3)
    expect(median([4, 1, 100, 2])).toBe(3)
  })
})

describe('checks in code', () => {
  const rows = check('entity/person', { name: 'rows' }, async () => ({ passed: true }))

  it('block unless they only warn', () => {
    expect(rows).toMatchObject({ name: 'rows', asset: 'entity/person', severity: 'error', blocking: true })
    const warns = check('ledger', { name: 'warns', severity: 'warn' }, async () => ({ passed: true }))
    expect(warns).toMatchObject({ severity: 'warn', blocking: false })
    expect(checksOf(undefined)).toEqual([])
    expect(checksOf([rows, warns])).toEqual([rows, warns])
  })

  it.each([
    [{}, "'checks' is no list"],
    [['rows'], 'something else than checks'],
    [[{ ...rows, run: 'select 1' }], 'something else than checks'],
    [[rows, rows], "names 'rows' twice"],
    [[{ ...rows, asset: 'nothing' }], "is about 'nothing', which is no asset"],
  ])('that are %j are refused', (given, message) => {
    expect(() => checksOf(given)).toThrow(message)
  })

  it('come from the configuration', async () => {
    const { loadProject } = await import('../../src/config/project.ts')
    const { projectAccess } = await import('../../src/project-access.ts')
    const folder = mkdtempSync(join(room(), 'defacto-checks-'))
    try {
      const index = pathToFileURL(join(ROOT, 'src/index.ts')).href
      const config = `import { check, defineProject } from '${index}'
        export default defineProject({
          definitions: '${join(ROOT, 'test/fixtures/definitions/shop')}',
          checks: [check('ledger', { name: 'some' }, async () => ({ passed: true, value: 1 }))],
        })`
      writeFileSync(join(folder, 'defacto.config.js'), config)
      const access = projectAccess(await loadProject({ cwd: folder, env: {} }))
      expect(access.checks).toMatchObject([{ name: 'some', asset: 'ledger', blocking: true }])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
