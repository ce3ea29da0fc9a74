/** Checks: P01, P02 and P10 (spec 10 §3.7). Their SQL is checked where tables are known. */
import type { Check } from '../definition/check.ts'
import { pipelineName } from '../definition/check-names.ts'
import type { Path } from '../definition/path.ts'
import { historyLayout } from '../program/layout.ts'
import { didYouMean } from '../spelling.ts'
import { type Asset, parseAsset } from './assets.ts'
import { isSqlCheck, type KindCheckBody, type PipelineBody } from './body.ts'
import { checkAsset } from './check-assets.ts'

const TABLES: readonly Asset['kind'][] = ['entity', 'history', 'relationship']
/** Assets that a kind of check can be about; the others take any. */
const ABOUT: Readonly<Partial<Record<KindCheckBody['kind'], readonly Asset['kind'][]>>> = {
  history_valid: ['entity', 'history'],
  replay_consistent: ['entity', 'history'],
  row_count: TABLES,
  not_null: TABLES,
  unique: TABLES,
  accepted: TABLES,
  dangling_edges: ['relationship'],
  dead_letter_rate: ['source', 'dead_letters'],
  unresolved_rate: ['source', 'identity'],
  cold_complete: ['cold'],
}

export function checkChecks(check: Check, path: Path, body: PipelineBody): void {
  for (const [name, given] of Object.entries(body.checks ?? {})) {
    const here: Path = [...path, 'checks', name]
    pipelineName(check, here, name)
    const known = !given.asset || checkAsset(check, [...here, 'asset'], given.asset)
    if (isSqlCheck(given) || given.kind === undefined || !known) continue
    const about = ABOUT[given.kind]
    const asset = given.asset ? parseAsset(given.asset) : null
    if (asset !== null && about !== undefined && !about.includes(asset.kind)) {
      const message = `check kind '${given.kind}' only applies to ${about.map(spelled).join(', ')}`
      check.issues.add('P02', [...here, 'asset'], message)
    } else if ('column' in given && given.column !== undefined && asset !== null) {
      checkColumn(check, [...here, 'column'], given.column, asset)
    }
    if (given.kind !== 'row_count' || !given.max || !given.min || given.min <= given.max) continue
    check.issues.add('P10', [...here, 'min'], `${given.min} is out of range: it is above 'max' ${given.max}`)
  }
}

function spelled(kind: Asset['kind']): string {
  if (kind === 'history') return 'entity/<type>/history'
  return kind === 'entity' || kind === 'relationship' || kind === 'source' ? `${kind}/<name>` : kind
}

/** Columns of current rows: system columns and properties. */
function checkColumn(check: Check, path: Path, column: string, asset: Asset): void {
  if (!('name' in asset) || check.damaged(['entities'])) return
  const layout = historyLayout(check.definitions)
  const relationship = asset.kind === 'relationship'
  const table = (relationship ? layout.relationships : layout.entities).find(({ type }) => type === asset.name)
  if (table === undefined) return
  const system = relationship
    ? ['source_id', 'target_id', 'relationship_type', 'valid_from', 'valid_to']
    : [
        `${asset.name}_id`,
        `${asset.name}_state`,
        'valid_from',
        'valid_to',
        'merged_into',
        'last_event_time',
        'state_entered_time',
        'created_time',
      ]
  const columns = [...system, ...table.columns.map(({ name }) => name)]
  if (columns.includes(column)) return
  const message = `property '${column}' of ${asset.name}, which is not defined${didYouMean(column, columns)}`
  check.issues.add('P01', path, message)
}
