/** Which build a version needs (spec 04 §4.3). The same function predicts (`impact`, dry runs) and decides. */
import type { DefinitionHashes } from '../core/definition/model.ts'
import type { BuildState, MappingState, ShadowBuild } from '../ports/store.ts'
import type { BuildMode } from '../results.ts'

export interface ModeInput {
  readonly hashes: DefinitionHashes
  readonly state: BuildState
  readonly mapping: MappingState
  readonly shadow: ShadowBuild | undefined
  readonly head: number
  /** What the identity change feed holds past the version's change cursor. */
  readonly changes: 'none' | 'merges' | 'reset'
  /** Into how many shards this process divides the entities; 1: it does not. */
  readonly shards: number
  readonly full?: boolean
  readonly fromRaw?: boolean
}

export interface ModeDecision {
  readonly mode: BuildMode
  /** One clause for people: why this mode. */
  readonly reason: string
}

/** First match wins; an explicit option never picks a cheaper mode than detection would. */
export function detectMode(input: ModeInput): ModeDecision {
  const { hashes, state, mapping, shadow, head } = input
  if (input.fromRaw) return { mode: 'FULL_RENORMALIZE', reason: 'asked to start from raw records' }
  if (mapping.phase === 'renormalize') {
    return { mode: 'FULL_RENORMALIZE', reason: 'an interrupted renormalization goes on' }
  }
  if (differs(state.sourceHash, hashes.sourceHash)) {
    return { mode: 'FULL_RENORMALIZE', reason: 'sources or schemas changed' }
  }
  if (differs(mapping.sourceHash, hashes.sourceHash)) {
    return { mode: 'FULL_RENORMALIZE', reason: 'the ledger is normalized for other sources' }
  }
  if (mapping.phase !== 'idle') {
    return { mode: 'FULL_WITH_IDENTITY_RESET', reason: 'an interrupted identity reset goes on' }
  }
  if (differs(state.identityHash, hashes.identityHash) || differs(mapping.identityHash, hashes.identityHash)) {
    return { mode: 'FULL_WITH_IDENTITY_RESET', reason: 'identity rules changed' }
  }
  if (state.definitionHash !== hashes.definitionHash) return { mode: 'FULL', reason: 'entity definitions changed' }
  if (state.totalShards !== input.shards) {
    return { mode: 'FULL', reason: 'the entities are divided among other shards than before' }
  }
  if (input.full) return { mode: 'FULL', reason: 'asked for a full build' }
  if (shadow !== undefined) return { mode: shadow.mode, reason: 'an interrupted full build goes on' }
  if (input.changes === 'reset') return { mode: 'FULL', reason: 'another version renewed the identities' }
  if (head > state.cursor) return { mode: 'INCREMENTAL', reason: 'new events' }
  if (input.changes === 'merges') return { mode: 'INCREMENTAL', reason: 'entities were merged' }
  if (state.dirty) return { mode: 'INCREMENTAL', reason: 'an interrupted build goes on' }
  return { mode: 'SKIP', reason: 'nothing new' }
}

function differs(stored: string, current: string): boolean {
  return stored !== '' && stored !== current
}
