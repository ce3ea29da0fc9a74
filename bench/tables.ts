/** Tables of a space whose rows are not what processing events leaves behind. */
const NOT_OUTPUT = new Set([
  'ledger',
  'head',
  'source_counts',
  'definition_versions',
  'mapping_state',
  'build_state',
  'shadow_builds',
  'history_layouts',
  'namespace_lock',
  'migrations',
  'meta',
])

export function isOutput(table: string): boolean {
  return !NOT_OUTPUT.has(table) && !table.startsWith('sqlite_') && !table.endsWith('~shadow')
}
