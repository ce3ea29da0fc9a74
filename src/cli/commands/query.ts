import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { count, duration, text } from '../options.ts'
import { showRows } from '../reading.ts'

export const command: CommandSpec = {
  name: 'query',
  summary: 'read with SQL',
  arguments: [['<sql>', 'one SELECT over history tables and relationships; - reads it from standard input']],
  options: [
    {
      flags: '--param <name=value>',
      description: 'value of a placeholder :name, or of $1, $2 … in order without a name',
      repeat: true,
    },
    { flags: '--limit <n>', description: 'at most so many rows; 0: all (default: 100 on a terminal, else all)' },
    { flags: '--version <name>', description: 'version (default: the active one)' },
    { flags: '--query-timeout <duration>', description: 'stop the statement after this time' },
  ],
  examples: [
    'defacto query "select plan, count(*) as n from customer_history where valid_to is null group by plan"',
    'defacto query "select * from customer_history where email = :mail" --param mail=ana@example.com -o jsonl',
  ],
  async run(context, [given], options) {
    const limit = count(options, 'limit')
    const version = text(options, 'version')
    const timeoutMs = duration(options, 'queryTimeout')?.ms
    const params = paramsOf(options['param'] as string[] | undefined)
    const sql = given === '-' ? await readAll(context.stdin) : (given as string)
    const defacto = await context.openToRead()
    const root = version === undefined ? defacto : defacto.version(version)
    return showRows(context, root.query(sql, params, timeoutMs === undefined ? {} : { timeoutMs }), limit)
  },
}

/** `name=value` pairs as an object, bare values as a list; numbers, true, false and null are read as such. */
function paramsOf(given: readonly string[] | undefined): unknown[] | Record<string, unknown> | undefined {
  if (given === undefined) return undefined
  const named = given.filter((item) => /^[A-Za-z_]\w*=/.test(item))
  if (named.length === 0) return given.map(literal)
  if (named.length < given.length) throw new UsageError('--param: either all with a name or none')
  return Object.fromEntries(
    given.map((item) => [item.slice(0, item.indexOf('=')), literal(item.slice(item.indexOf('=') + 1))]),
  )
}

function literal(word: string): unknown {
  if (word === 'null') return null
  if (word === 'true' || word === 'false') return word === 'true'
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(word)) return Number(word)
  return /^'.*'$/s.test(word) ? word.slice(1, -1) : word
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}
