/**
 * Names of the tables a version has (spec 06 §1). Types, relationships and versions consist of letters, digits and `_`,
 * so `~` separates what could otherwise be read in two ways; everything people query has a name without it.
 */

export type Target = 'live' | 'shadow'

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Readable name of `base`: plain for the version that has the plain names, with the version for the others. */
export function versioned(base: string, version: string, plain: boolean): string {
  return plain ? base : `${base}__${version}`
}

export function historyTable(type: string, version: string, plain: boolean): string {
  return versioned(`${type}_history`, version, plain)
}

export function shadowHistoryTable(type: string, version: string): string {
  return `${type}_history${shadowSuffix(version)}`
}

/** Where the edges written under one relationship name are stored; people see views over it. */
export function edgeTable(relationship: string, version: string, target: Target = 'live'): string {
  return `rel_${relationship}${target === 'shadow' ? shadowSuffix(version) : `~${version}`}`
}

export function relationshipView(relationship: string, version: string, plain: boolean): string {
  return versioned(`rel_${relationship}_history`, version, plain)
}

export function relationshipsView(version: string, plain: boolean): string {
  return versioned('relationships', version, plain)
}

export function stateTable(version: string, target: Target = 'live'): string {
  return `entity_state${target === 'shadow' ? shadowSuffix(version) : `~${version}`}`
}

export function shadowSuffix(version: string): string {
  return `~${version}~shadow`
}

/** What queries may read: histories, edges (through their views) and the views, of any version, but no shadows. */
export function isReadable(table: string): boolean {
  return /^(?:\w+_history(?:__\w+)?|rel_\w+~\w+|relationships(?:__\w+)?|json_each|json_tree)$/i.test(table)
}
