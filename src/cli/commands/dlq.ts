import { ConfigError, IngestError, NotFoundError } from '../../errors.ts'
import type { DeadLetterBox, DeadLetterEntry, DeadLetterStatus } from '../../ports/dead-letter.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { lettersOf } from '../letters.ts'
import { count, text } from '../options.ts'
import { retryEntries } from '../retry.ts'
import { summary } from '../summary.ts'
import { printable } from '../table-text.ts'

const STAGES = ['normalization', 'interpretation', 'publishing', 'consumption'] as const
const FILTERS = [
  { flags: '--source <name>', description: 'only failures of this source' },
  { flags: '--stage <stage>', description: 'only failures of this stage', choices: STAGES },
] as const

/** What the sink stored; other kinds of sinks cannot be read here. */
async function theLetters(context: Context): Promise<DeadLetterBox> {
  const letters = await lettersOf(context)
  if (letters !== null) return letters
  throw new ConfigError(
    'the dead letters of this project are neither in a file nor in its database: set dead_letter to {type: file, path: …} or {type: table}',
  )
}

function filterOf(options: Options): { source?: string; stage?: string } {
  const source = text(options, 'source')
  const stage = text(options, 'stage')
  return { ...(source === undefined ? {} : { source }), ...(stage === undefined ? {} : { stage }) }
}

const listing: CommandSpec = {
  name: 'list',
  summary: 'open failures, oldest first',
  options: [
    ...FILTERS,
    { flags: '--status <status>', description: 'default: open', choices: ['open', 'retried', 'dropped', 'all'] },
    { flags: '--limit <n>', description: 'at most so many (default: 100 on a terminal, else all)' },
  ],
  examples: ['defacto dlq list', 'defacto dlq list --source app --stage normalization -o jsonl'],
  async run(context, _args, options) {
    const letters = await theLetters(context)
    const wanted = text(options, 'status') ?? 'open'
    const { output } = context
    const screen = output.format === 'text' && output.width !== null
    const limit = count(options, 'limit') ?? (screen ? 100 : 0)
    const status = wanted === 'all' ? {} : { status: wanted as DeadLetterStatus }
    let more = 0
    const rows = async function* () {
      let shown = 0
      for await (const entry of letters.read({ ...status, ...filterOf(options) })) {
        if (limit > 0 && shown >= limit) {
          more += 1
          continue
        }
        shown += 1
        yield listRow(entry)
      }
    }
    await output.rows(context.stoppable(rows()), ['id', 'at', 'status', 'stage', 'source', 'place', 'field', 'error'])
    if (more > 0) output.note(`and ${more} more; --limit 0 shows all`)
    return undefined
  },
}

function listRow({ id, failure, status }: DeadLetterEntry) {
  const { at, stage, source, error, field, origin } = failure
  const place = origin === null ? null : origin.line === null ? origin.part : `${origin.part}:${origin.line}`
  return { id, at, status, stage, source, place, field, error }
}

const show: CommandSpec = {
  name: 'show',
  summary: 'one failure with its record',
  arguments: [['<id>', 'id of the list; its beginning is enough']],
  examples: ['defacto dlq show 3f9a2c11d0be'],
  async run(context, [id = '']) {
    const { failure, status, reason, id: full } = await theEntry(await theLetters(context), id)
    const { raw, origin, ...rest } = failure
    const data = { id: full, status, reason, ...snakeKeys(rest), origin, raw }
    return {
      data,
      text: ({ paint }) => {
        const place =
          origin === null
            ? null
            : [origin.part, origin.line, origin.byte === null ? null : `byte ${origin.byte}`]
                .filter((part) => part !== null)
                .join(':')
        const { raw: _raw, origin: _origin, ...shown } = data
        const record =
          typeof raw === 'string'
            ? raw.split('\n').map(printable).join('\n')
            : JSON.stringify(raw, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2)
        return `${summary(paint, `dead letter ${full}`, mapTexts({ ...shown, place }))}\n\n${paint.dim('record as received')}\n${record}`
      },
    }
  },
}

function mapTexts(values: Record<string, unknown>): Record<string, string | null> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value === null ? null : String(value)]))
}

async function theEntry(letters: DeadLetterBox, id: string): Promise<DeadLetterEntry> {
  const found = new Map<string, DeadLetterEntry>()
  for await (const entry of letters.read()) {
    if (entry.id.startsWith(id)) found.set(entry.id, entry)
    if (found.size > 1) throw new UsageError(`several dead letters begin with '${id}'; give more of the id`)
  }
  const [entry] = found.values()
  if (entry === undefined) throw new NotFoundError(`there is no dead letter '${id}'`)
  return entry
}

const retry: CommandSpec = {
  name: 'retry',
  summary: 'read failed records again, after definitions or data were mended',
  arguments: [['[ids...]', 'only these (default: all open ones)']],
  options: FILTERS,
  examples: ['defacto dlq retry', 'defacto dlq retry --source app'],
  async run(context, ids, options) {
    const letters = await theLetters(context)
    const chosen = await choose(letters, ids, options)
    const { sources, retried, ingested, duplicates, failed, skipped } = await retryEntries(context, letters, chosen)
    const data = { retried, ingested, duplicates, failed, skipped, sources }
    if (skipped > 0) {
      context.output.note(
        `${skipped} not retried: their event is in the ledger (run \`defacto build --full\` after mending the definitions) or there is no record to read`,
      )
    }
    return {
      data,
      receipt: true,
      text: ({ paint }) =>
        summary(paint, `retried ${retried} dead letters`, { ingested, duplicates, 'failed again': failed }),
      error:
        retried > 0 && failed === retried ? new IngestError(`all ${retried} records failed again`, null) : undefined,
    }
  },
}

const drop: CommandSpec = {
  name: 'drop',
  summary: 'give failures up, with a reason; the record stays where it is',
  arguments: [['[ids...]', 'only these (default: all open ones)']],
  options: [...FILTERS, { flags: '--reason <text>', description: 'why; kept with the decision' }],
  examples: [
    'defacto dlq drop 3f9a2c11d0be --reason "test record"',
    'defacto dlq drop --source app --reason "before go-live" --yes',
  ],
  async run(context, ids, options) {
    const reason = text(options, 'reason')?.trim()
    if (!reason) throw new UsageError('dlq drop needs --reason')
    const letters = await theLetters(context)
    const chosen = await choose(letters, ids, options)
    if (chosen.size === 0) return { data: { dropped: 0 }, text: 'nothing to drop' }
    await context.confirm(`Drop ${chosen.size} dead letters?`)
    await letters.settle([...chosen], { status: 'dropped', reason, at: new Date().toISOString() })
    return { data: { dropped: chosen.size }, receipt: true, text: `dropped ${chosen.size}` }
  },
}

/** Ids of the open entries meant; an id that is not open is a `NotFoundError`. */
async function choose(letters: DeadLetterBox, ids: readonly string[], options: Options): Promise<Set<string>> {
  const chosen = new Set<string>()
  const missing = new Set(ids)
  for await (const entry of letters.read({ status: 'open', ...filterOf(options) })) {
    const named = ids.filter((id) => entry.id.startsWith(id))
    for (const id of named) missing.delete(id)
    if (ids.length === 0 || named.length > 0) chosen.add(entry.id)
  }
  if (missing.size > 0) throw new NotFoundError(`no open dead letter: ${[...missing].join(', ')}`)
  return chosen
}

export const command: CommandSpec = {
  name: 'dlq',
  summary: 'list, show, retry or drop dead letters',
  subcommands: [listing, show, retry, drop],
}
