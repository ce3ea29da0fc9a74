/** Names of schemas and tables of a file of histories (spec 06 §1). `~` stands in no name of a type, version or namespace. */
import { basename } from 'node:path'
import { quote } from './instance.ts'

/** Which versions the file holds, with their definitions; in the schema `main`. */
export const STORE_TABLE = '_defacto_store'

export const RELATIONSHIPS_VIEW = 'relationships'

export function versionSchema(namespace: string, version: string): string {
  return `${namespace}_${version}`
}

export function historyTable(type: string): string {
  return `${type}_history`
}

/** What people see of the edges of a name: a view. */
export function relationshipView(relationship: string): string {
  return `rel_${relationship}_history`
}

/** Where the edges written under a name are stored. */
export function edgeTable(relationship: string): string {
  return `rel_${relationship}~edges`
}

/** What queries may read, in schemas of versions only. */
export function isReadable(table: string): boolean {
  return table === RELATIONSHIPS_VIEW || /(?:_history|~edges)$/.test(table)
}

export function inSchema(schema: string, name: string): string {
  return `${quote(schema)}.${quote(name)}`
}

/** DuckDB names the catalogue after the file; with a schema of that name nothing in it can be named. */
export function nameClash(path: string, schema: string): boolean {
  const catalogue = basename(path).replace(/\.[^.]*$/, '')
  return catalogue.toLowerCase() === schema.toLowerCase()
}
