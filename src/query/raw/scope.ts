/** Which names can be seen at a place of hand-written SQL (spec 06 §6 rule 3). */
import type { Column } from '../column.ts'

/** A table, sub-query or common table expression in a FROM. */
export interface Source {
  /** Its alias or name under the dialect's key; null for a sub-query without a name. */
  readonly key: string | null
  /** The name as it is written in SQL; null where there is none. */
  readonly written: string | null
  /** Null: unknown because its own definition has problems; then nothing in it is reported again. */
  readonly columns: readonly Column[] | null
}

export interface Scope {
  readonly sources: readonly Source[]
  /** Columns that NATURAL or USING made one of: not ambiguous. */
  readonly merged: ReadonlySet<string>
  /** Names of the select list, where they may be used. */
  readonly aliases: ReadonlyMap<string, Column>
  readonly parent: Scope | null
  /** Common table expressions by key. */
  readonly ctes: ReadonlyMap<string, readonly Column[] | null>
}

export const EMPTY_SCOPE: Scope = {
  sources: [],
  merged: new Set(),
  aliases: new Map(),
  parent: null,
  ctes: new Map(),
}

/** Every column name a scope can see, for suggestions. */
export function visibleNames(scope: Scope | null): string[] {
  const names: string[] = []
  for (let at = scope; at !== null; at = at.parent) {
    names.push(...at.aliases.keys(), ...at.sources.flatMap((source) => (source.columns ?? []).map((c) => c.name)))
  }
  return [...new Set(names)]
}
