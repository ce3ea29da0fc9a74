/**
 * Rows of the tables that are the same in every database: their columns, and objects made of them. The order of columns
 * and fields belongs together. Flags may come as booleans or as 0 and 1.
 */
import type { BuildState, Checkpoint, Holder, LockRow, ShadowBuild, VersionRow } from '../../ports/store.ts'
import type { BuildMode } from '../../results.ts'

type Row = readonly unknown[]
type Value = string | number | boolean | null

/** Of a build state, behind its key. */
export const STATE_COLUMNS = [
  'cursor',
  'watermark',
  'definition_hash',
  'source_hash',
  'identity_hash',
  'dirty',
  'last_build_time',
  'last_build_mode',
  'total_shards',
  'generation',
  'tick_horizon',
  'change_cursor',
] as const

export function buildState(version: string, row: Row): BuildState {
  return {
    version,
    cursor: row[0] as number,
    watermark: row[1] as string | null,
    definitionHash: row[2] as string,
    sourceHash: row[3] as string,
    identityHash: row[4] as string,
    dirty: Boolean(row[5]),
    lastBuildTime: row[6] as string | null,
    lastBuildMode: row[7] as BuildMode | null,
    totalShards: row[8] as number,
    generation: row[9] as number,
    tickHorizon: row[10] as string | null,
    changeCursor: row[11] as number,
  }
}

export function stateValues(state: BuildState): Value[] {
  return [
    state.cursor,
    state.watermark,
    state.definitionHash,
    state.sourceHash,
    state.identityHash,
    state.dirty,
    state.lastBuildTime,
    state.lastBuildMode,
    state.totalShards,
    state.generation,
    state.tickHorizon,
    state.changeCursor,
  ]
}

/** Of a full build in the making, behind its key. */
export const SHADOW_COLUMNS = [
  'mode',
  'up_to',
  'as_of',
  'after_entity',
  'stats',
  'watermark',
  'generation',
  'change_cursor',
  'definition_hash',
  'source_hash',
  'identity_hash',
] as const

export function shadowBuild(version: string, row: Row): ShadowBuild {
  return {
    version,
    mode: row[0] as BuildMode,
    upTo: row[1] as number,
    asOf: row[2] as string,
    afterEntity: row[3] as string | null,
    stats: row[4] as string,
    watermark: row[5] as string | null,
    generation: row[6] as number,
    changeCursor: row[7] as number,
    definitionHash: row[8] as string,
    sourceHash: row[9] as string,
    identityHash: row[10] as string,
  }
}

export function shadowValues(shadow: ShadowBuild): Value[] {
  return [
    shadow.mode,
    shadow.upTo,
    shadow.asOf,
    shadow.afterEntity,
    shadow.stats,
    shadow.watermark,
    shadow.generation,
    shadow.changeCursor,
    shadow.definitionHash,
    shadow.sourceHash,
    shadow.identityHash,
  ]
}

export const CHECKPOINT_COLUMNS = 'id, type, body, generation, revision, applied_upto, next_due'

export function checkpoint(row: Row): Checkpoint {
  return {
    id: row[0] as string,
    type: row[1] as string,
    body: row[2] as string,
    generation: row[3] as number,
    revision: row[4] as number,
    appliedUpto: row[5] as number,
    nextDue: row[6] as string | null,
  }
}

export const VERSION_COLUMNS = 'version, definitions, definition_hash, source_hash, identity_hash, active, created_at'

export function versionRow(row: Row): VersionRow {
  return {
    version: row[0] as string,
    definitions: row[1] as string,
    definitionHash: row[2] as string,
    sourceHash: row[3] as string,
    identityHash: row[4] as string,
    active: Boolean(row[5]),
    createdAt: row[6] as string,
  }
}

export const LOCK_COLUMNS = 'slot, epoch, holder, acquired_at, renewed_at, expires_at'

export function lockRow(row: Row): LockRow {
  return {
    slot: row[0] as string,
    epoch: row[1] as number,
    holder: row[2] === null ? null : (JSON.parse(row[2] as string) as Holder),
    acquiredAt: row[3] as string | null,
    renewedAt: row[4] as string | null,
    expiresAt: row[5] as string | null,
  }
}
