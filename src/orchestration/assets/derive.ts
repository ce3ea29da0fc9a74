/** Assets of definitions and pipelines. Pure. */
import type { DefinitionsObject } from '../../core/definition/model.ts'
import type { Pipeline, StepKind, TablesExport } from '../model.ts'
import type { Asset, AssetKind } from './model.ts'

/** Operations that write assets of a kind. */
export const WRITERS: Readonly<Record<AssetKind, readonly StepKind[]>> = {
  source: ['ingest'],
  ledger: ['ingest'],
  dead_letters: ['ingest'],
  identity: ['build'],
  history: ['build', 'tick'],
  entity: ['build', 'tick'],
  relationship: ['build', 'tick'],
  cold: ['flush', 'maintain'],
  export: ['export'],
}

/** What a step of a pipeline exports, as an asset. */
export function exportName(pipeline: string, step: string): string {
  return `export/${pipeline}/${step}`
}

/** `tiered: false` leaves out the archive. In order of the flow: sources first. */
export function assetsOf(
  definitions: DefinitionsObject,
  pipelines: readonly Pipeline[],
  options: { readonly tiered?: boolean } = {},
): readonly Asset[] {
  const assets: Asset[] = []
  const add = (kind: AssetKind, name: string, subject: string | null, upstream: Asset['upstream']): void => {
    const writing = pipelines.filter((pipeline) => writes(pipeline, kind, subject)).map((pipeline) => pipeline.name)
    assets.push({ name, kind, subject, upstream, pipelines: writing })
  }
  const sources = Object.keys(definitions.sources)
  const fromSources = (label: string): Asset['upstream'] => sources.map((name) => ({ name: `source/${name}`, label }))
  const fromEvents = [
    { name: 'ledger', label: 'events' },
    { name: 'identity', label: '' },
  ]
  for (const source of sources) add('source', `source/${source}`, source, [])
  add('ledger', 'ledger', null, fromSources(''))
  add('dead_letters', 'dead_letters', null, fromSources('failures'))
  add('identity', 'identity', null, [{ name: 'ledger', label: 'hints' }])
  for (const type of Object.keys(definitions.entities)) {
    const history = `entity/${type}/history`
    add('history', history, type, fromEvents)
    add('entity', `entity/${type}`, type, [{ name: history, label: 'current' }])
  }
  for (const [type, ends] of relationships(definitions)) {
    const upstream = ends.map(({ from, to }) => ({ name: `entity/${from}/history`, label: `to ${to}` }))
    add('relationship', `relationship/${type}`, type, upstream)
  }
  if (options.tiered ?? true) add('cold', 'cold', null, [{ name: 'ledger', label: 'flush' }])
  const written = assets.filter(({ kind }) => kind === 'entity' || kind === 'history' || kind === 'relationship')
  for (const { name: pipeline, steps } of pipelines) {
    for (const step of steps) {
      if (step.kind !== 'export') continue
      const from = written.filter((asset) => isExported(asset, step)).map(({ name }) => ({ name, label: step.format }))
      const name = exportName(pipeline, step.id)
      assets.push({ name, kind: 'export', subject: `${pipeline}/${step.id}`, upstream: from, pipelines: [pipeline] })
    }
  }
  return assets
}

function isExported({ kind, subject }: Asset, step: TablesExport): boolean {
  if (kind === 'relationship') return step.relationships
  const isWanted = step.types.length === 0 || step.types.includes(subject ?? '')
  return isWanted && kind === (step.history ? 'history' : 'entity')
}

function writes({ steps, inputs }: Pipeline, kind: AssetKind, subject: string | null): boolean {
  if (!steps.some((step) => WRITERS[kind].includes(step.kind))) return false
  return kind !== 'source' || inputs.some(({ source }) => source === subject)
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
