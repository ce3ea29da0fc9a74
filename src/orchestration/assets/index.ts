/** Assets of a space: what there is, where it comes from, how fresh it is (spec 10 §1, §3.8). */
export { type Lineage, type LineageEdge, type LineageNode, lineageOf } from '../../core/lineage.ts'
export { assetsOf } from './derive.ts'
export { freshnessOf } from './freshness.ts'
export { assetInfos, dataVersions, writtenBy } from './info.ts'
export type { Asset, AssetFreshness, AssetInfo, AssetKind, FreshnessState } from './model.ts'
