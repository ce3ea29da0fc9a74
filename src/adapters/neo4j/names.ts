/** Names of entities and relationships in Neo4j (spec 06 §7.1), and the marks of what we wrote there. */

/** Properties that every node and edge of ours has. No column may be called so. */
export const ID = '_defacto_id'
/** Whose they are: spaces in one database neither see nor prune each other. */
export const SPACE = '_defacto_space'
/** Number of the last export of the space that had it. */
export const EXPORT = '_defacto_export'
/** The one node for each space: what was exported, and the number of the last export. */
export const SPACE_LABEL = '_DefactoSpace'

/** Title case: `customer` → `Customer`, `support_ticket` → `Support_Ticket`. */
export function labelOf(entityType: string): string {
  return entityType.replace(/\p{L}+/gu, (word) => {
    const [first = '', ...rest] = word
    return first.toUpperCase() + rest.join('').toLowerCase()
  })
}

export function edgeTypeOf(relationship: string): string {
  return relationship.toUpperCase()
}

/** A name as Cypher text: nothing in it can end the name. */
export function quoted(name: string): string {
  // Cypher reads \u0060 as a backtick before it looks for the end of the name.
  return `\`${name.replaceAll('\\', '\\u005C').replaceAll('`', '``')}\``
}

/** `A|B` for patterns. */
export function anyOf(names: readonly string[]): string {
  return names.map(quoted).join('|')
}
