/** Assets of definitions and pipelines. Pure. */
import type { DefinitionsObject } from '../../core/definition/model.ts'
import type { Pipeline, StepKind } from '../model.ts'
import type { Asset, AssetKind } from './model.ts'

/** `tiered: false` leaves out the archive. In order of the flow: sources first. */
export function assetsOf(
  definitions: DefinitionsObject,
  pipelines: readonly Pipeline[],
  options: { readonly tiered?: boolean } = {},
): readonly Asset[] {
  const writers = (kinds: readonly StepKind[]): string[] =>
    pipelines.filter(({ steps }) => steps.some(({ kind }) => kinds.includes(kind))).map(({ name }) => name)
  const assets: Asset[] = []
  const add = (
    kind: AssetKind,
    name: string,
    subject: string | null,
    upstream: Asset['upstream'],
    writing: readonly string[],
  ): void => {
    assets.push({ name, kind, subject, upstream, pipelines: writing })
  }
  const sources = Object.keys(definitions.sources)
  const ingesting = writers(['ingest'])
  const building = writers(['build', 'tick'])
  for (const source of sources) {
    const reading = pipelines.filter(({ inputs }) => inputs.some((input) => input.source === source))
    add(
      'source',
      `source/${source}`,
      source,
      [],
      reading.map(({ name }) => name).filter((name) => ingesting.includes(name)),
    )
  }
  const fromSources = (label: string): Asset['upstream'] => sources.map((name) => ({ name: `source/${name}`, label }))
  add('ledger', 'ledger', null, fromSources(''), ingesting)
  add('dead_letters', 'dead_letters', null, fromSources('failures'), ingesting)
  add('identity', 'identity', null, [{ name: 'ledger', label: 'hints' }], building)
  for (const type of Object.keys(definitions.entities)) {
    const history = `entity/${type}/history`
    const upstream = [
      { name: 'ledger', label: 'events' },
      { name: 'identity', label: '' },
    ]
    add('history', history, type, upstream, building)
    add('entity', `entity/${type}`, type, [{ name: history, label: 'current' }], building)
  }
  for (const [relationship, ends] of relationships(definitions)) {
    const upstream = ends.map(({ from, to }) => ({ name: `entity/${from}/history`, label: `to ${to}` }))
    add('relationship', `relationship/${relationship}`, relationship, upstream, building)
  }
  if (options.tiered ?? true) add('cold', 'cold', null, [{ name: 'ledger', label: 'flush' }], writers(['flush']))
  return assets
}

/** By type, in order of declaration; one type may serve several entity types. */
function relationships(definitions: DefinitionsObject): Map<string, { from: string; to: string }[]> {
  const found = new Map<string, { from: string; to: string }[]>()
  for (const [from, entity] of Object.entries(definitions.entities)) {
    for (const { type, target } of entity.relationships ?? []) {
      const ends = found.get(type)
      if (ends === undefined) found.set(type, [{ from, to: target }])
      else ends.push({ from, to: target })
    }
  }
  return found
}
