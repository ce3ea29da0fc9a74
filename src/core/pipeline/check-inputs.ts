/** Inputs: P01, P02, P11, PW4 and PW5 (spec 10 §3.2–3.3). */
import type { Check } from '../definition/check.ts'
import { pipelineName } from '../definition/check-names.ts'
import type { Path } from '../definition/path.ts'
import { didYouMean } from '../spelling.ts'
import type { InputBody, PipelineBody } from './body.ts'
import { clearPassword } from './check-secrets.ts'

export function checkInputs(check: Check, path: Path, body: PipelineBody): void {
  for (const [name, input] of Object.entries(body.inputs ?? {})) {
    const here: Path = [...path, 'inputs', name]
    pipelineName(check, here, name)
    checkSource(check, here, input, body)
    if (input.on_error?.dead_letters === 'off') {
      const message = 'unusable records are counted and then lost: dead letters are off'
      check.issues.add('PW4', [...here, 'on_error', 'dead_letters'], message)
    }
    if (input.kind === 'files' || input.kind === 's3') checkParts(check, here, input)
    if (input.kind === 's3') clearPassword(check, [...here, 'storage', 'endpoint'], input.storage?.endpoint)
    if (input.kind === 'postgres') checkQuery(check, here, input)
    if ('window' in input && input.window && !input.window.includes('{date}')) {
      check.issues.add('P02', [...here, 'window'], "'window' requires '{date}' where the date of a part stands")
    }
  }
}

function checkSource(check: Check, path: Path, input: InputBody, body: PipelineBody): void {
  const { source, required } = input
  if (source === undefined) return
  const sources = Object.keys(check.definitions.sources)
  if (!sources.includes(source) && !check.partial && !check.damaged(['sources'])) {
    check.issues.add(
      'P01',
      [...path, 'source'],
      `source '${source}', which is not defined${didYouMean(source, sources)}`,
    )
  }
  if (required || Object.hasOwn(body.freshness ?? {}, `source/${source}`)) return
  const message = `nobody notices when nothing comes: neither 'required' nor under a freshness rule for source/${source}`
  check.issues.add('PW5', path, message, 'key')
}

type Parted = Extract<InputBody, { kind: 'files' | 's3' }>

function checkParts(check: Check, path: Path, input: Parted): void {
  const { after, move_to, format, csv, records } = input
  if (after === 'move' && !move_to) check.issues.add('P02', [...path, 'after'], "'after: move' requires 'move_to'")
  if (move_to && after !== 'move') {
    check.issues.add('P02', [...path, 'move_to'], "'move_to' only applies to 'after: move'", 'key')
  }
  if (csv && format && format !== 'csv') {
    check.issues.add('P02', [...path, 'csv'], `'csv' only applies to format csv, not to ${format}`, 'key')
  }
  if (records && format && format !== 'json') {
    check.issues.add('P02', [...path, 'records'], `'records' only applies to format json, not to ${format}`, 'key')
  }
}

function checkQuery(check: Check, path: Path, input: Extract<InputBody, { kind: 'postgres' }>): void {
  clearPassword(check, [...path, 'database'], input.database)
  if (input.query === undefined) return
  const bound = /(?<!:):cursor\b/.test(input.query)
  if (input.cursor && !bound) {
    check.issues.add('P02', [...path, 'query'], "'cursor' requires ':cursor' in the query")
  }
  if (bound && !input.cursor && !check.damaged([...path, 'cursor'])) {
    check.issues.add('P02', [...path, 'query'], "':cursor' in the query requires 'cursor'")
  }
}
