/** State history as rows: what interpretation hands to a history store (spec 06 §1, 07 §6). Pure. */
import type { PropertyType } from './definition/model.ts'
import type { Instant } from './instant.ts'
import type { Value } from './value.ts'

/** Which tables a version has; derived from its definitions (06 §1). */
export interface HistoryLayout {
  readonly entities: readonly {
    readonly type: string
    readonly columns: readonly { readonly name: string; readonly type: PropertyType }[]
  }[]
  readonly relationships: readonly {
    readonly type: string
    /** Entity types that write such edges; left out: any. */
    readonly sources?: readonly string[]
    /** Names of the same edges seen from the other side (a relationship type may serve several entity types). */
    readonly inverses: readonly string[]
    readonly columns: readonly { readonly name: string; readonly type: PropertyType }[]
  }[]
}

/** One row of `{type}_history`; `properties` in any order, missing ones are null. */
export interface HistoryRow {
  readonly state: string
  readonly properties: Readonly<Record<string, Value>>
  readonly validFrom: Instant
  readonly validTo: Instant | null
  readonly lastEventTime: Instant
  readonly stateEnteredTime: Instant
  readonly createdTime: Instant
  /** Sequence of the event that made the row; null if a time rule did. */
  readonly sequence: number | null
}
export interface EdgeRow {
  readonly type: string
  readonly targetId: string
  readonly properties: Readonly<Record<string, Value>>
  readonly validFrom: Instant
  readonly validTo: Instant | null
}
/** Everything one unit of work does to one entity's history (07 §6.1). */
export interface EntityWrite {
  readonly id: string
  readonly type: string
  readonly generation: number
  readonly revision: number
  /** True: the rows and edges take the place of all that the entity had (rebuild). */
  readonly replace: boolean
  /** When the row that is open before this write began, if the writer knows; spares the store a look. */
  readonly openSince?: Instant
  /**
   * Ascending, chained: each row's `validTo` is the next one's `validFrom`, the last is open. Without `replace` the
   * first one closes the open row, or takes its place if both begin at the same instant.
   */
  readonly rows: readonly HistoryRow[]
  /**
   * New `last_event_time` of the row that is open before this write (a touch); null: unchanged. It applies before
   * `rows`, so that a row closed by this write has the same value as if the touch had come in a write of its own.
   */
  readonly touch: Instant | null
  /** Edges open before this write that end at `at` (removed if they began at that instant). */
  readonly closedEdges: readonly { readonly type: string; readonly targetId: string; readonly at: Instant }[]
  readonly edges: readonly EdgeRow[]
}

/** A stored row or edge whose values may be changed where they lie; of an edge, the id is that of its source. */
export type PropertyRow =
  | {
      readonly kind: 'entity'
      readonly id: string
      readonly type: string
      readonly state: string
      readonly validFrom: Instant
      readonly lastEventTime: Instant
      readonly stateEnteredTime: Instant
      readonly createdTime: Instant
    }
  | { readonly kind: 'relationship'; readonly id: string; readonly type: string }

/** New values of a row's properties, all of them; null: it stays as it is. */
export type PropertyChange = (
  row: PropertyRow,
  properties: Readonly<Record<string, Value>>,
) => Readonly<Record<string, Value>> | null
