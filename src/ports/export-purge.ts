/** Rows of persons taken out of what was exported before (spec 05 §4.5). */

export interface Purge {
  /** Entity ids; rows with one of them in any column of text go. */
  readonly ids: readonly string[]
  /** Types of these entities that are in the export. */
  readonly types: readonly string[]
  /** Nothing is changed: how many rows there are. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
}

export interface Purged {
  /** Rows by the id that was found in them. */
  readonly rows: ReadonlyMap<string, number>
  /** Why it may hold more of them, for people; null: it does not. */
  readonly problem: string | null
}

/** Files that an export of a person consists of, the one that says whose they are first; others are people's own. */
export const SUBJECT_FILES = ['subject.json', 'events.csv', 'history.csv', 'identity.csv', 'relationships.csv'] as const

export const NOTHING: Purged = { rows: new Map(), problem: null }

/** Without a column that says whose rows they are, none can be found. */
export const UNNAMED = 'its columns do not say whose rows they are; remove it, or export again'

/** Whether rows of these types are told by the columns: `{type}_id`, or the ends of relationships. */
export function namesEntities(columns: readonly string[], types: readonly string[]): boolean {
  const ends = columns.includes('source_id') && columns.includes('target_id')
  return ends || types.every((type) => columns.includes(`${type}_id`))
}

/** Of several tables. */
export function totalOf(parts: readonly Purged[]): Purged {
  const rows = new Map<string, number>()
  for (const part of parts) for (const [id, count] of part.rows) rows.set(id, (rows.get(id) ?? 0) + count)
  return { rows, problem: parts.find(({ problem }) => problem !== null)?.problem ?? null }
}
