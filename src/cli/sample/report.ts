/** What the run leaves behind: a report for people, `report.json` and one CSV file per entity type. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Defacto } from '../../index.ts'
import type { Output } from '../output.ts'
import { countText, seconds } from '../summary.ts'
import { tableText } from '../table.ts'
import { outcomeOf } from './expected.ts'
import { ENTITY_TYPES } from './facts.ts'
import type { SamplePlace } from './place.ts'
import type { SampleRun } from './run.ts'
import { AS_OF, type Views } from './views.ts'

export interface Report {
  /** The document of `-o json` and of `report.json`. */
  readonly data: Readonly<Record<string, unknown>>
  readonly text: (output: Output) => string
}

/** Writes the files; every one appears whole or not at all. */
export async function writeReport(
  defacto: Defacto,
  place: SamplePlace,
  run: SampleRun,
  views: Views,
  differences: readonly string[],
  cwd: string,
): Promise<Report> {
  const folder = join(place.state, 'out')
  await mkdir(folder, { recursive: true })
  await defacto.tables({ types: ENTITY_TYPES, relationships: false }).toCsv(folder)
  const location = (await defacto.stats()).location
  const data = {
    ...outcomeOf(run),
    differences,
    nothing_new: run.nothingNew,
    build_modes: run.buildModes,
    run_id: run.run.runId,
    engine: run.engine,
    checks: run.checks,
    stages: run.stages,
    customers_by_state_and_plan: views.customers,
    database: location,
    hot_rows: run.tiers.hotRows,
    cold_rows: run.tiers.coldRows,
    cold_files: run.tiers.files,
  }
  await writeWhole(join(folder, 'report.json'), `${JSON.stringify(data, null, 2)}\n`)
  const out = relative(cwd, folder)
  const text = (output: Output): string =>
    reportText(output, run, views, shownLocation(cwd, location), out, relative(cwd, run.tiers.location))
  return { data, text }
}

/** A file as seen from here, a URL as it is. */
function shownLocation(cwd: string, location: string): string {
  return location.includes('://') ? location : relative(cwd, location)
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

function reportText(output: Output, run: SampleRun, views: Views, database: string, out: string, cold: string): string {
  const { bold, dim } = output.paint
  const when = (value: unknown): string | null => (value === null ? null : String(value).slice(0, 16).replace('T', ' '))
  const money = (value: unknown): string => Number(value ?? 0).toFixed(2)
  const history = views.history.map((row) => ({
    from: when(row['valid_from']),
    to: when(row['valid_to']),
    state: row['customer_state'],
    plan: row['plan'],
    mrr: money(row['mrr']),
    sessions: row['sessions'],
    tickets: row['tickets'],
  }))
  const timeline = views.timeline.entries.map((entry) => ({
    at: when(entry.timestamp),
    event: entry.eventType,
    // Ids are long and differ from run to run; their beginning is enough to recognize one.
    what: entry.effects.join('; ').replace(/([0-9a-f]{8})-[0-9a-f-]{27}/g, '$1…'),
  }))
  const then = views.asOf
  const answer = then
    ? `On ${AS_OF}: ${then['customer_state']}, plan ${then['plan']}, ${money(then['mrr'])} a month.`
    : `On ${AS_OF}: not known yet.`
  const customers = views.customers.map(({ mrr, ...row }) => ({ ...row, mrr: money(mrr) }))
  return [
    bold('Customers by state and plan'),
    tableText(output, customers),
    bold(`History of ${views.customer}`),
    tableText(output, history),
    answer,
    '',
    bold(`Timeline of ticket ${views.ticket}`),
    tableText(output, timeline),
    bold('Summary'),
    ...summaryLines(run, database).map(([name, value]) => `  ${name.padEnd(12)} ${value}`),
    ...run.records.failures.map(({ source, field, reason, count }) =>
      dim(`    ${String(count).padStart(3)}  ${source}${field === null ? '' : `.${field}`}: ${reason}`),
    ),
    '',
    `Wrote ${join(out, 'report.json')}, ${join(out, '*.csv')} (${ENTITY_TYPES.length} files), ${cold} (${countText(run.tiers.files, 'file')})`,
  ].join('\n')
}

function summaryLines(run: SampleRun, database: string): [string, string][] {
  const { records, facts, checks } = run
  const entities = Object.entries(facts.entities).map(
    ([type, states]) => `${Object.values(states).reduce((sum, count) => sum + count, 0)} ${type}s`,
  )
  const rows = Object.values(facts.historyRows).reduce((sum, count) => sum + count, 0)
  return [
    [
      'records',
      `${records.read} read: ${records.ingested} ingested, ${records.duplicates} duplicate, ${records.dead} dead`,
    ],
    ['entities', entities.join(', ')],
    ['merges', `${facts.merges} (one person, first met as two)`],
    ['history', `${rows} rows, ${facts.edges} relationships`],
    ['hot and cold', `${run.tiers.hotRows} events in the database, ${run.tiers.coldRows} in the archive`],
    ['checks', `${checks.filter((check) => check.passed).length} of ${checks.length} passed`],
    ['time', seconds(run.stages.reduce((sum, stage) => sum + stage.ms, 0))],
    ['database', database],
    ['run', run.run.runId],
    ['engine', run.engine === 'local' ? 'local (not durable)' : 'temporal'],
    ['failures', records.dead === 0 ? 'none' : 'lines that are no records we can use'],
  ]
}
