/** Where a value comes from, as a short story. */
import type { ExplainedInput, Explanation } from '../results.ts'
import { jsonText } from './json.ts'
import type { Output } from './output.ts'
import { printable, screenText } from './table-text.ts'

/** What it was and is, what made the change, the place in the definitions, and what the value was made from. */
export function explanationText(explanation: Explanation, output: Output): string {
  const { paint } = output
  const { entityType, property, validFrom, validTo, cause, path, definition, inputs, resolvedFrom, version } =
    explanation
  const when = (instant: string): string => (output.width === null ? instant : screenText(instant))
  const lines: [label: string, text: string][] = [
    [
      'entity',
      `${explanation.entityId}${resolvedFrom === undefined ? '' : paint.dim(` (merged from ${resolvedFrom})`)}`,
    ],
    ['as of', when(explanation.asOf)],
    ['before', valueText(explanation.before, output)],
  ]
  if (validFrom !== null) {
    lines.push(['valid', `from ${when(validFrom)} ${validTo === null ? 'on' : `to ${when(validTo)}`}`])
  }
  if (cause?.kind === 'event') {
    lines.push(
      ['event', `${printable(cause.eventType)} of ${when(cause.timestamp)}, from ${printable(cause.source)}`],
      ['', paint.dim(`id ${printable(cause.eventId)}, sequence ${cause.sequence}`)],
    )
    if (cause.rawDigest !== null) lines.push(['', paint.dim(`raw sha256 ${cause.rawDigest}`)])
  }
  if (cause?.kind === 'time_rule') lines.push(['time rule', `${printable(cause.rule)}, due ${when(cause.timestamp)}`])
  if (path !== null) lines.push(['by', printable(path)], ['', paint.dim(printable(jsonText(definition)))])
  inputs.forEach((input, i) => {
    lines.push([i === 0 ? 'made from' : '', inputText(input, output)])
  })
  lines.push([
    'version',
    `${printable(version)} ${paint.dim(`definitions ${explanation.definitionHash.slice(0, 12)}`)}`,
  ])
  const width = Math.max(...lines.map(([label]) => label.length))
  const head = `${paint.bold(`${printable(entityType)}.${printable(property)}`)} = ${valueText(explanation.value, output)}`
  return [
    head,
    paint.dim(printable(explanation.summary)),
    ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`),
  ].join('\n')
}

function valueText(value: unknown, { paint, width }: Output): string {
  if (value === null || value === undefined) return paint.dim('—')
  return width === null ? printable(typeof value === 'string' ? value : jsonText(value)) : screenText(value)
}

function inputText({ read, value, mapping, rawFields, compute }: ExplainedInput, output: Output): string {
  const from = rawFields.length === 0 ? '' : ` ← ${rawFields.map(printable).join(', ')}`
  const how = compute === null ? '' : ` by ${printable(compute)}`
  const where = mapping === null ? '' : output.paint.dim(` (${printable(mapping)})`)
  return `${printable(read)} = ${valueText(value, output)}${from}${how}${where}`
}
