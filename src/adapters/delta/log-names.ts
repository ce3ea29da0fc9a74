/** Names inside the table's folder. */

export const LOG = '_delta_log/'
export const LAST_CHECKPOINT = `${LOG}_last_checkpoint`

const COMMIT = /^_delta_log\/(\d{20})\.json$/
const CHECKPOINT = /^_delta_log\/(\d{20})\.checkpoint\.parquet$/

export const padded = (number: number): string => String(number).padStart(20, '0')
export const commitPath = (version: number): string => `${LOG}${padded(version)}.json`
export const checkpointPath = (version: number): string => `${LOG}${padded(version)}.checkpoint.parquet`

export interface LogName {
  readonly kind: 'commit' | 'checkpoint'
  readonly version: number
}

/** Null for anything else, which readers pass over. */
export function parseLogName(path: string): LogName | null {
  const commit = COMMIT.exec(path)
  if (commit !== null) return { kind: 'commit', version: Number(commit[1]) }
  const checkpoint = CHECKPOINT.exec(path)
  return checkpoint === null ? null : { kind: 'checkpoint', version: Number(checkpoint[1]) }
}

/** Every attempt has a name of its own, so that nothing is ever overwritten. */
export function dataPath(first: number, last: number, id: string): string {
  return `data/${padded(first)}-${padded(last)}.${id}.parquet`
}

/** Where the object of an action lies; null for an address outside the table. */
export function objectPath(actionPath: string): string | null {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(actionPath) || actionPath.startsWith('/')) return null
  try {
    return decodeURIComponent(actionPath)
  } catch {
    return null
  }
}

/** Is this object a data file of the table, referenced or not? Hidden folders and other programs' files are not. */
export function isDataFile(path: string): boolean {
  return path.endsWith('.parquet') && !path.split('/').some((part) => /^[_.]/.test(part))
}
