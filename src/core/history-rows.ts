/** From the changes of a fold to rows of state history (spec 03 §9, 07 §6.1). */
import type { EntityWrite } from './history.ts'
import type { FoldResult } from './interpret.ts'
import type { CompiledEntity } from './program/types.ts'
import type { EntityState } from './snapshot.ts'

/**
 * What a fold writes. `before` is the state the fold began with, its open edges loaded if an event could relate; null
 * with `replace`. Null result: nothing to write. With `replace` there always is one, for the rows to be removed.
 */
export function historyWrite(
  _entity: CompiledEntity,
  _before: EntityState | null,
  _result: FoldResult,
  _options: { generation: number; revision: number; replace: boolean },
): EntityWrite | null {
  throw new Error('not available yet')
}
