/** Hints, merges, mappings and the change feed (spec 04 §2.2, §3): tables of the space's database. */
import type { FrozenEntity } from './privacy.ts'
import type { Unit } from './store.ts'

export interface HintKey {
  readonly entityType: string
  readonly hintType: string
  readonly value: string
}
export interface HintRow extends HintKey {
  readonly entityId: string
}
export interface IdentityChange {
  readonly changeSeq: number
  readonly kind: 'merge' | 'erase' | 'reset'
  readonly entityId: string | null
  readonly intoEntityId: string | null
}

export interface IdentityPort {
  /** Ids of known hints, in input order; undefined where unknown. */
  lookup(unit: Unit | null, keys: readonly HintKey[]): Promise<(string | undefined)[]>
  /** Stores new hints. A key that exists keeps its id: callers hold the mapping lock and have looked it up under it. */
  insert(unit: Unit, rows: readonly HintRow[]): Promise<void>
  /**
   * One automatic or explicit merge, in the unit: identity rows and mappings moved, merge-log row, change-feed row
   * (spec 04 §3.5). `from === into` is an `IdentityError`. Returns mappings moved. Idempotent.
   */
  merge(unit: Unit, entityType: string, from: string, into: string, reason: string): Promise<number>
  hintsFor(entityId: string): Promise<Record<string, string[]>>
  lookupAll(value: string, filter?: { entityType?: string; hintType?: string }): Promise<HintRow[]>
  /** Every hint, ordered by (type, hint type, value), in chunks. */
  all(chunk?: number): AsyncIterable<HintRow[]>
  /** Direct losers of `into`: the merge-log rows. */
  mergesInto(entityId: string): Promise<{ from: string; into: string; timestamp: string; reason: string }[]>
  /** Follows the merge log to the surviving id; the id itself if it was never merged away. */
  survivorOf(entityId: string): Promise<string>
  /**
   * The survivor of an id and every id that was merged into it, at whatever distance, the survivor first. An id that owns
   * neither hints nor mappings, and that no merge names, has no family: empty.
   */
  family(unit: Unit | null, entityId: string): Promise<FrozenEntity[]>
  /** Hints of these entities, by (type, hint type, value); a token where it was redacted. */
  hintsOf(unit: Unit | null, entityIds: readonly string[]): Promise<(HintRow & { readonly redacted: boolean })[]>
  /** Removes hints, mappings and merge-log pairs of these ids, and writes one `erase` change for each. */
  erase(unit: Unit, entityIds: readonly string[]): Promise<{ hints: number; mappings: number; mergeLog: number }>
  /** Puts tokens in place of hint values (spec 05 §5.3); `sticky`: later events with the value are treated on arrival. */
  redact(unit: Unit, rows: readonly (HintRow & { readonly token: string })[], sticky: boolean): Promise<number>
  /** Whether any hint is a token. Costs nothing to speak of. */
  hasTokens(unit: Unit | null): Promise<boolean>
  /** Those of the tokens that are known, with what they belong to; `sticky`: those of sticky redactions only. */
  tokens(unit: Unit | null, values: readonly string[], options?: { sticky?: boolean }): Promise<HintRow[]>
  /** Change feed past `after`, ascending. */
  changes(unit: Unit | null, after: number): Promise<IdentityChange[]>
  /**
   * Identity reset in one step: replaces all hints and drops all mappings, writes one `reset` change, and records
   * `retired` ids in the merge log where they continue in another id.
   */
  reset(
    unit: Unit,
    hints: Iterable<HintRow>,
    retired: readonly { entityType: string; from: string; into: string }[],
  ): Promise<void>
}

export interface EntityMapping {
  readonly sequence: number
  readonly entityId: string
  readonly entityType: string
}
/** The one row of `mapping_state`. `phase`: `idle`, or what a reset is doing. */
export interface MappingState {
  readonly sourceHash: string
  readonly identityHash: string
  readonly mappedUpto: number
  readonly buildEpoch: number
  readonly phase: 'idle' | 'renormalize' | 'identity' | 'rehint' | 'map'
  /** Progress inside `phase`: last sequence done. */
  readonly phaseCursor: number
}

export interface MappingPort {
  /** Inserts mappings (idempotent) into `event_entities`, with `shard_hash`. */
  write(unit: Unit, rows: readonly EntityMapping[]): Promise<void>
  /** Subset of `ids` that still own mappings. */
  existing(unit: Unit | null, ids: readonly string[]): Promise<Set<string>>
  entityType(entityId: string): Promise<string | undefined>
  state(unit?: Unit): Promise<MappingState>
  /**
   * Takes the mapping lock until the unit ends and returns the state under it. Whoever writes hints, mappings, merges or
   * the change feed holds it. With `wait: false` null if another process has it.
   */
  lock(unit: Unit, options: { wait: true }): Promise<MappingState>
  lock(unit: Unit, options: { wait: boolean }): Promise<MappingState | null>
  setState(unit: Unit, state: MappingState): Promise<void>
}
