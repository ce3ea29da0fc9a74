/** Assets: names of something readable, derived from the definitions and never declared (spec 10 §1, §3.8). */
import type { FreshnessRule } from './model.ts'

export type Asset =
  | { readonly kind: 'source' | 'entity' | 'history' | 'relationship' | 'export'; readonly name: string }
  | { readonly kind: 'ledger' | 'identity' | 'cold' | 'dead_letters' }

/** The parts of an asset's name; null if it is none. Whether it exists is another question. */
export function parseAsset(text: string): Asset | null {
  if (text === 'ledger' || text === 'identity' || text === 'cold' || text === 'dead_letters') return { kind: text }
  const history = /^entity\/(.+)\/history$/s.exec(text)
  if (history) return { kind: 'history', name: history[1]! }
  const named = /^(source|entity|relationship|export)\/(.+)$/s.exec(text)
  return named ? { kind: named[1] as 'source', name: named[2]! } : null
}

/** Lags that are known of an asset, the default first; none: its freshness is not known. */
export function lagOf(text: string): readonly FreshnessRule['of'][] {
  switch (parseAsset(text)?.kind) {
    case 'source':
      return ['event', 'arrival']
    case 'entity':
    case 'ledger':
      return ['build']
    case 'history':
      return ['tick']
    case 'cold':
      return ['flush']
    default:
      return []
  }
}
