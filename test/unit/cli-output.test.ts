/** What stdout and stderr carry (spec 10 §7.2): formats, tables on a terminal, errors and exit codes. */
import { describe, expect, it } from 'vitest'
import { exitCodeOf, Interrupted, TimeoutError, UsageError } from '../../src/cli/errors.ts'
import { peekFormat, peekWords } from '../../src/cli/globals.ts'
import { count, duration, instant, list } from '../../src/cli/options.ts'
import { type Format, Output, type Row } from '../../src/cli/output.ts'
import { textWidth } from '../../src/cli/table-text.ts'
import {
  BuildError,
  CheckError,
  ConfigError,
  DefactoError,
  DefinitionError,
  Fenced,
  IdentityError,
  IngestError,
  LockHeld,
  NotFoundError,
  QueryError,
  StorageError,
  ThresholdError,
  ValidationError,
} from '../../src/errors.ts'

class Terminal {
  text = ''
  readonly isTTY: boolean
  readonly columns: number
  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY
    this.columns = columns
  }
  write(text: string): boolean {
    this.text += text
    return true
  }
  once(): void {}
}

function output(
  format: Format,
  options: { columns?: number; env?: Record<string, string | undefined>; colour?: boolean } = {},
) {
  const stdout = new Terminal(options.columns !== undefined, options.columns)
  const stderr = new Terminal(options.columns !== undefined)
  const made = new Output({
    format,
    stdout,
    stderr,
    quiet: false,
    verbose: false,
    colour: options.colour ?? true,
    env: options.env ?? {},
  })
  return { output: made, stdout, stderr }
}
async function* rows(...items: Row[]): AsyncGenerator<Row> {
  yield* items
}

describe('exit codes', () => {
  it.each([
    [new UsageError('x'), 2],
    [new ConfigError('x'), 2],
    [new QueryError('x'), 2],
    [new DefinitionError('x'), 3],
    [new ValidationError('x'), 3],
    [new ThresholdError('x'), 4],
    [new IngestError('x', null), 4],
    [new CheckError('x'), 5],
    [new LockHeld('x'), 6],
    [new Fenced('x'), 6],
    [new NotFoundError('x'), 7],
    [new StorageError('x', { recoverable: true }), 9],
    [new StorageError('x'), 1],
    [new IdentityError('x'), 1],
    [new BuildError('x'), 1],
    [new TimeoutError('x'), 124],
    [new Interrupted('x'), 130],
    [new DefactoError('x', 'E_CONFLICT'), 6],
    [new Error('x'), 1],
    ['x', 1],
  ])('%s', (error, code) => {
    expect(exitCodeOf(error)).toBe(code)
  })

  it('follow the parent of a class nobody listed', () => {
    class Special extends QueryError {}
    expect(exitCodeOf(new Special('x'))).toBe(2)
  })
})

describe('tables', () => {
  it('align numbers to the right and show null as a dash', async () => {
    const { output: out, stdout } = output('text')
    expect(await out.rows(rows({ name: 'a', n: 5, m: null }, { name: 'long', n: 1000n, m: 1.5 }))).toBe(2)
    expect(stdout.text).toBe('name     n    m\na        5    —\nlong  1000  1.5\n')
  })

  it('cut long text to the terminal, never in a pipe', async () => {
    const wide = { id: 1, text: 'x'.repeat(200), other: 'short' }
    const pipe = output('text')
    await pipe.output.rows(rows(wide))
    expect(pipe.stdout.text).toContain('x'.repeat(200))
    const terminal = output('text', { columns: 40, env: { NO_COLOR: '1' } })
    await terminal.output.rows(rows(wide))
    for (const line of terminal.stdout.text.split('\n')) expect(line.length).toBeLessThanOrEqual(40)
    expect(terminal.stdout.text).toContain('…')
    expect(terminal.stdout.text).toContain('short')
  })

  it('show instants whole and readable on a terminal, as they are in a pipe', async () => {
    const at = '2024-01-15T09:00:00+00:00'
    const row = {
      id: 'x'.repeat(36),
      merged_into: null,
      name: 'Ana',
      valid_from: at,
      valid_to: '2024-02-01T00:00:00.5+00:00',
    }
    const terminal = output('text', { columns: 62, env: { NO_COLOR: '1' } })
    await terminal.output.rows(rows(row, row))
    const lines = terminal.stdout.text.split('\n')
    expect(lines[1]).toBe('xxxxxxxxxxx…  Ana   2024-01-15 09:00:00Z  2024-02-01 00:00:00Z')
    expect(lines[3]).toBe('1 column not shown (--columns, --records): merged_into')
    const pipe = output('text')
    await pipe.output.rows(rows(row))
    expect(pipe.stdout.text).toContain(`—            Ana   ${at}`)
  })

  it('take the width of COLUMNS, and 80 where a terminal does not know', async () => {
    expect(output('text', { columns: 0 }).output.width).toBe(80)
    expect(output('text', { columns: 120, env: { COLUMNS: '40' } }).output.width).toBe(40)
    expect(output('text', { env: { COLUMNS: '40' } }).output.width).toBe(null)
  })

  it('are coloured on a terminal only, unless that is unwanted', async () => {
    const coloured = output('text', { columns: 80 })
    await coloured.output.rows(rows({ a: null }))
    expect(coloured.stdout.text).toContain('\u001b[')
    for (const options of [
      {},
      { columns: 80, env: { NO_COLOR: '1' } },
      { columns: 80, env: { TERM: 'dumb' } },
      { columns: 80, colour: false },
    ]) {
      const plain = output('text', options)
      await plain.output.rows(rows({ a: null }))
      await plain.output.error(new ConfigError('x'))
      expect(plain.stdout.text + plain.stderr.text).not.toContain('\u001b')
    }
  })

  it('show control characters instead of obeying them', async () => {
    const { output: out, stdout } = output('text', { columns: 80, env: { NO_COLOR: '1' } })
    await out.rows(rows({ a: 'x\u001b[2Jy\nz' }))
    expect(stdout.text).toBe('a\nx\\u001b[2Jy⏎z\n')
  })

  it('count wide characters twice', () => {
    expect([textWidth('abc'), textWidth('日本'), textWidth('e\u0301'), textWidth('👍')]).toEqual([3, 4, 1, 2])
  })

  it('keep their widths over many pages and say when there is nothing', async () => {
    const many = output('text')
    expect(await many.output.rows(rows(...Array.from({ length: 1201 }, (_, n) => ({ n, name: `r${n}` }))))).toBe(1201)
    expect(many.stdout.text.trimEnd().split('\n')).toHaveLength(1202)
    const none = output('text')
    expect(await none.output.rows(rows())).toBe(0)
    expect([none.stdout.text, none.stderr.text]).toEqual(['', 'no rows\n'])
  })
})

describe('documents', () => {
  it('json is one document, jsonl a line each, csv a header and lines', async () => {
    const items = [
      { a: 1n << 60n, b: 'x,"y"' },
      { a: null, b: [1] },
    ]
    const json = output('json')
    await json.output.rows(rows(...items))
    expect(json.stdout.text).toContain('1152921504606846976')
    expect(JSON.parse(json.stdout.text)).toMatchObject({
      ok: true,
      error: null,
      data: [{ b: 'x,"y"' }, { a: null, b: [1] }],
    })
    const jsonl = output('jsonl')
    await jsonl.output.rows(rows(...items))
    expect(jsonl.stdout.text).toBe('{"a":1152921504606846976,"b":"x,\\"y\\""}\n{"a":null,"b":[1]}\n')
    const csv = output('csv')
    await csv.output.rows(rows(...items))
    expect(csv.stdout.text).toBe('a,b\r\n1152921504606846976,"x,""y"""\r\n,[1]\r\n')
  })

  it('a stream that breaks still is a document, with the error', async () => {
    const broken = async function* (): AsyncGenerator<Row> {
      yield { a: 1 }
      throw new StorageError('gone', { recoverable: true })
    }
    const { output: out, stdout, stderr } = output('json')
    const error = await out.rows(broken()).catch((reason: unknown) => reason)
    await out.error(error)
    expect(JSON.parse(stdout.text)).toMatchObject({
      ok: false,
      data: [{ a: 1 }],
      error: { code: 'E_STORAGE', recoverable: true },
    })
    expect(stderr.text).toContain('gone')
  })

  it('an error of anything else is told as a fault of the program, with its stack only if asked', async () => {
    const { output: out, stderr } = output('text')
    await out.error(new TypeError('odd'))
    expect(stderr.text).toMatch(/^error E_INTERNAL odd\n.*-v/)
  })
})

describe('arguments', () => {
  it('knows the format and the command before anything is parsed', () => {
    expect(peekFormat(['build', '-o', 'json'])).toBe('json')
    expect(peekFormat(['--output=jsonl', 'x'])).toBe('jsonl')
    expect(peekFormat(['-ojson'])).toBe('json')
    expect(peekFormat(['--', '-o', 'json'])).toBe('text')
    expect(peekWords(['-p', 'dir', '--timeout', '5s', '-q', 'dlq', '--project=x', 'list'])).toEqual(['dlq', 'list'])
  })

  it('reads option values or names the option', () => {
    expect(count({ limit: '5' }, 'limit')).toBe(5)
    expect(() => count({ untilSequence: '0' }, 'untilSequence', 1)).toThrow(
      '--until-sequence takes a whole number of at least 1',
    )
    expect(list({ columns: 'a, b,,c' }, 'columns')).toEqual(['a', 'b', 'c'])
    expect(instant({ asOf: '2024-01-01' }, 'asOf')).toBe('2024-01-01')
    expect(instant({ asOf: 'now' }, 'asOf', () => new Date(0))).toBe('1970-01-01T00:00:00.000Z')
    expect(() => instant({ asOf: 'tomorrow' }, 'asOf')).toThrow('--as-of takes an instant')
    expect(duration({ timeout: '2m' }, 'timeout')?.ms).toBe(120_000)
    expect(() => duration({ timeout: '0s' }, 'timeout')).toThrow('--timeout takes a duration')
  })
})
