import { closest } from '../../core/spelling.ts'
import { NotFoundError } from '../../errors.ts'
import { CODES } from '../codes.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { entityId } from '../entity.ts'
import { UsageError } from '../errors.ts'
import { explanationText } from '../explanation.ts'
import { snakeDeep } from '../json.ts'
import { instant, text } from '../options.ts'
import type { Result } from '../output.ts'

export const command: CommandSpec = {
  name: 'explain',
  summary: 'tell where a value comes from, or what a code means',
  arguments: [
    ['[subject]', 'entity id or identity value; or a code, for example E05, W03, E_LOCK_HELD; nothing lists all codes'],
    ['[property]', 'property of the entity, or state'],
  ],
  options: [
    { flags: '--as-of <time>', description: 'the value at this instant (default: now)' },
    { flags: '--version <name>', description: 'version (default: the active one)' },
  ],
  examples: [
    'defacto explain ana@example.com plan',
    'defacto explain ana@example.com state --as-of 2024-01-10',
    'defacto explain E22',
  ],
  async run(context, [subject, property], options) {
    if (subject !== undefined && property !== undefined) return explainValue(context, subject, property, options)
    if (options['asOf'] !== undefined || options['version'] !== undefined)
      throw new UsageError('--as-of and --version go with an entity and a property')
    return subject === undefined ? listOfCodes() : explainCode(subject)
  },
}

async function explainValue(context: Context, given: string, property: string, options: Options): Promise<Result> {
  const asOf = instant(options, 'asOf')
  const version = text(options, 'version')
  const defacto = await context.openToRead()
  const explanation = await defacto.explain(await entityId(defacto, given), property, {
    ...(asOf !== undefined && { asOf }),
    ...(version !== undefined && { version }),
  })
  return { data: snakeDeep(explanation), text: (output) => explanationText(explanation, output), paged: true }
}

function listOfCodes(): Result {
  const rows = [...CODES].map(([name, { means }]) => ({ code: name, means }))
  const width = Math.max(...rows.map((row) => row.code.length))
  return {
    data: rows,
    text: (output) => rows.map((row) => `${output.paint.bold(row.code.padEnd(width))}  ${row.means}`).join('\n'),
    paged: true,
  }
}

function explainCode(code: string): Result {
  const name = code.toUpperCase()
  const entry = CODES.get(name)
  if (entry === undefined) {
    const guess = closest(name, CODES.keys())
    const way = guess
      ? `; did you mean ${guess}?`
      : /^[EWP]\d|^E_/.test(name)
        ? ''
        : '; of an entity name a property, too'
    throw new NotFoundError(`there is no code '${code}'${way}`)
  }
  return { data: { code: name, ...entry }, text: ({ paint }) => `${paint.bold(name)}  ${entry.means}\n${entry.help}` }
}
