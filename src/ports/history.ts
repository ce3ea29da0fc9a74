/** State history of a version: rows and edges that readers see, and those of a full build in the making (spec 04, 07 §6). */
import type { EntityWrite, HistoryLayout, PropertyChange } from '../core/history.ts'
import type { Instant } from '../core/instant.ts'
import type { Value } from '../core/value.ts'
import type { Unit } from './store.ts'

export interface OpenEdge {
  readonly sourceId: string
  readonly type: string
  readonly targetId: string
  readonly properties: Readonly<Record<string, Value>>
}

export interface HistoryPort {
  /** Creates missing live tables, indexes and views of the version. */
  ensure(unit: Unit, layout: HistoryLayout): Promise<void>
  write(unit: Unit, target: 'live' | 'shadow', layout: HistoryLayout, writes: readonly EntityWrite[]): Promise<void>
  /** Edges without `valid_to` written by these entities. */
  openEdges(
    unit: Unit | null,
    version: string,
    layout: HistoryLayout,
    sourceIds: readonly string[],
  ): Promise<OpenEdge[]>
  /** Those of `ids` that edges, of whatever owner, lead to in the version's live tables. */
  targetsAmong(unit: Unit, layout: HistoryLayout, ids: readonly string[]): Promise<Set<string>>
  /**
   * After `from` merged into `into`: marks the loser's rows (`merged_into`, open row closed at `at` but never before
   * its `valid_from`), removes its outgoing edges (the rebuilt winner has them), and points incoming edges at `into`.
   * Changes rows of owned entities only. Returns owned sources that had edges to both, which the caller must rebuild.
   */
  absorb(unit: Unit, layout: HistoryLayout, type: string, from: string, into: string, at: Instant): Promise<string[]>
  /**
   * Removes all rows and edges (both directions) of these entities from the version's live tables, or from those of a full
   * build in the making together with its checkpoints. Tables that are not there hold nothing. Returns how many rows.
   */
  remove(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    target?: 'live' | 'shadow',
  ): Promise<number>
  /** Entities with an edge, open or not, that leads to one of these, in the version's live tables; each once. */
  sourcesOf(unit: Unit, layout: HistoryLayout, targetIds: readonly string[]): Promise<string[]>
  /**
   * Changes values of the rows and outgoing edges of these entities in the version's live tables where they lie: when they
   * are valid, their states and all else stay, those of merged ones, too. Returns how many were changed.
   */
  treat(
    unit: Unit,
    layout: HistoryLayout,
    ids: readonly { id: string; type: string }[],
    change: PropertyChange,
  ): Promise<number>
  /** Empties and (re)creates the version's shadow tables and shadow checkpoints. */
  beginShadow(unit: Unit, layout: HistoryLayout): Promise<void>
  /**
   * Builds the indexes, carries over the live rows of ids the merge log names as losers (marked `merged_into`, open row
   * closed at `unit.now`), and swaps shadow tables and checkpoints for live, all in the unit. A shard replaces the rows
   * and checkpoints of the entities it owns.
   */
  swapShadow(unit: Unit, layout: HistoryLayout): Promise<void>
  dropShadow(unit: Unit): Promise<void>
  /** Gives `unit.version` the plain table names (SQLite) when it becomes active; no-op where versions have schemas. */
  activate(unit: Unit, previous: string | null): Promise<void>
}
