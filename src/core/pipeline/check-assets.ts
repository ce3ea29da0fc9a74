/** P01 of assets (spec 10 §1). */
import type { Check } from '../definition/check.ts'
import type { Path } from '../definition/path.ts'
import { didYouMean } from '../spelling.ts'
import { parseAsset } from './assets.ts'

/** Reports an asset that the definitions do not make; true if they do, or if that cannot be told. */
export function checkAsset(check: Check, path: Path, text: string, part: 'key' | 'value' = 'value'): boolean {
  if (check.partial) return true
  const known = assetsOf(check)
  if (known.has(text)) return true
  const kind = parseAsset(text)?.kind
  const lost = kind === 'source' ? ['sources'] : ['entities']
  if (kind !== undefined && check.damaged(lost)) return true
  check.issues.add('P01', path, `asset '${text}', which is not defined${didYouMean(text, known)}`, part)
  return false
}

function assetsOf({ definitions }: Check): Set<string> {
  const assets = new Set(['ledger', 'identity', 'cold', 'dead_letters'])
  for (const source of Object.keys(definitions.sources)) assets.add(`source/${source}`)
  for (const [name, entity] of Object.entries(definitions.entities)) {
    assets.add(`entity/${name}`)
    assets.add(`entity/${name}/history`)
    for (const relationship of entity.relationships ?? []) {
      if (relationship.type !== undefined) assets.add(`relationship/${relationship.type}`)
    }
  }
  return assets
}
