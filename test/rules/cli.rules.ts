/** Rules of the command line, the configuration, logs and dead letters. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileDeadLetterSink } from '../../src/adapters/dead-letter/file.ts'
import { readDeadLetters, settleDeadLetters } from '../../src/adapters/dead-letter/store.ts'
import { createLogger } from '../../src/adapters/log/logger.ts'
import { exitCodeOf } from '../../src/cli/errors.ts'
import { printable } from '../../src/cli/table-text.ts'
import { loadProject } from '../../src/config/project.ts'
import type { RawRecord } from '../../src/core/event.ts'
import { LockHeld, StorageError } from '../../src/errors.ts'
import { readRecords } from '../../src/input-readers.ts'
import type { EventFailure } from '../../src/results.ts'
import type { Rule } from './rule.ts'

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'defacto-rule-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const failure: EventFailure = {
  raw: { a: 1 },
  error: 'bad',
  stage: 'normalization',
  source: 'app',
  handler: null,
  field: null,
  entityId: null,
  entityType: null,
  eventId: null,
  eventType: null,
  sequence: null,
  version: null,
  at: '2024-01-01T00:00:00+00:00',
  recoverable: false,
  origin: null,
}

async function read(bytes: Buffer): Promise<RawRecord[]> {
  const records: RawRecord[] = []
  const chunks = async function* (): AsyncGenerator<Buffer> {
    yield bytes
  }
  for await (const record of readRecords(chunks(), 'ndjson', 'in')) records.push(record)
  return records
}

async function openLetters(path: string): Promise<number> {
  let count = 0
  for await (const _entry of readDeadLetters(path, { status: 'open' })) count += 1
  return count
}

export const rules: Rule[] = [
  {
    id: 'cli.exit.recoverable',
    spec: '10 §4.5',
    off: {
      file: 'src/orchestration/failure.ts',
      find: '? { exit: 9, retryable: true } : { exit: 1 }',
      replace: '? { exit: 1 } : { exit: 1 }',
    },
    check() {
      assert.equal(exitCodeOf(new StorageError('x', { recoverable: true })), 9)
      assert.equal(exitCodeOf(new StorageError('x')), 1)
    },
  },
  {
    id: 'cli.exit.lock',
    spec: '10 §4.5',
    off: { file: 'src/orchestration/failure.ts', find: 'LockHeld: { exit: 6', replace: 'LockHeld: { exit: 9' },
    check() {
      assert.equal(exitCodeOf(new LockHeld('x')), 6)
    },
  },
  {
    id: 'cli.terminal',
    spec: '10 §7.2',
    off: { file: 'src/cli/table-text.ts', find: '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029', replace: '\\u2028' },
    check() {
      assert.equal(printable('a\u001b[2J'), 'a\\u001b[2J')
    },
  },
  {
    id: 'cli.input.utf8',
    spec: '10 §3.3',
    off: { file: 'src/adapters/inputs/records.ts', find: 'fatal: true', replace: 'fatal: false' },
    async check() {
      const [bad, good] = await read(Buffer.concat([Buffer.from([0x22, 0xff, 0x22, 0x0a]), Buffer.from('{"a":1}')]))
      assert.equal(bad?.problem, 'record is not valid UTF-8')
      assert.deepEqual(good?.value, { a: 1 })
    },
  },
  {
    id: 'cli.input.place',
    spec: '10 §3.3',
    off: { file: 'src/adapters/inputs/split.ts', find: 'line += 1', replace: 'line += 0' },
    async check() {
      const records = await read(Buffer.from('1\n\n3'))
      assert.deepEqual(
        records.map(({ origin }) => [origin?.line, origin?.byte]),
        [
          [1, 0],
          [3, 3],
        ],
      )
    },
  },
  {
    id: 'config.precedence',
    spec: '10 §7.2',
    off: {
      file: 'src/config/project.ts',
      find: '  lay(settingsOf(environmentValues(env),',
      replace: '  void (settingsOf(environmentValues(env),',
    },
    check: () =>
      inFolder(async (cwd) => {
        writeFileSync(join(cwd, 'defacto.config.yaml'), 'namespace: file\n')
        const env = { DEFACTO_NAMESPACE: 'variable' }
        assert.equal((await loadProject({ cwd, env: {} })).value('namespace'), 'file')
        assert.equal((await loadProject({ cwd, env })).value('namespace'), 'variable')
        assert.equal((await loadProject({ cwd, env, flags: { namespace: 'flag' } })).value('namespace'), 'flag')
      }),
  },
  {
    id: 'config.unknown-key',
    spec: '10 §7.2',
    off: { file: 'src/config/check.ts', find: 'if (source.ignore === undefined || error', replace: 'if (error' },
    check: () =>
      inFolder(async (cwd) => {
        writeFileSync(join(cwd, 'defacto.config.yaml'), '\nzzz: 1\n')
        await assert.rejects(loadProject({ cwd, env: {} }), /defacto\.config\.yaml:2:1: unknown key 'zzz'/)
      }),
  },
  {
    id: 'config.secret',
    spec: '10 §7.2',
    off: { file: 'src/config/secrets.ts', find: "'$1:***@'", replace: "'$&'" },
    check: () =>
      inFolder(async (cwd) => {
        const project = await loadProject({ cwd, env: { DEFACTO_DATABASE: 'postgresql://u:hush@h/d' } })
        assert.ok(!JSON.stringify(project.shown()).includes('hush'))
        assert.equal(project.value('database'), 'postgresql://u:hush@h/d')
      }),
  },
  {
    id: 'log.line',
    spec: '07 §10',
    off: { file: 'src/adapters/log/console-line.ts', find: 'oneLine(String(message', replace: 'String(String(message' },
    check() {
      const lines: string[] = []
      const stream = { write: (text: string) => lines.push(text) }
      createLogger({ stream, clock: () => new Date(0) })
        .child('defacto.storage')
        .info('a\nb', { n: 1 })
      assert.deepEqual(lines, ['1970-01-01T00:00:00  INFO     defacto.storage         a\\nb  n=1\n'])
    },
  },
  {
    id: 'dead-letter.torn',
    spec: '07 §9',
    off: { file: 'src/adapters/dead-letter/append.ts', find: 'const torn = !(', replace: 'const torn = false && !(' },
    check: () =>
      inFolder(async (folder) => {
        const path = join(folder, 'letters.jsonl')
        writeFileSync(path, '{"raw":{"half')
        await new FileDeadLetterSink(path).send([failure])
        assert.equal(await openLetters(path), 1)
      }),
  },
  {
    id: 'dead-letter.rotate',
    spec: '07 §9',
    off: { file: 'src/adapters/dead-letter/store.ts', find: 'of await deadLetterFiles(path)', replace: 'of [path]' },
    check: () =>
      inFolder(async (folder) => {
        const path = join(folder, 'letters.jsonl')
        const sink = new FileDeadLetterSink(path, { maxBytes: 1 })
        for (const field of ['a', 'b', 'c']) await sink.send([{ ...failure, field }])
        assert.equal(await openLetters(path), 3)
      }),
  },
  {
    id: 'dead-letter.settle',
    spec: '10 §7.1',
    off: { file: 'src/adapters/dead-letter/store.ts', find: 'marks.set(id,', replace: 'void (id,' },
    check: () =>
      inFolder(async (folder) => {
        const path = join(folder, 'letters.jsonl')
        await new FileDeadLetterSink(path).send([failure, { ...failure, field: 'b' }])
        for await (const { id } of readDeadLetters(path)) {
          appendFileSync(`${path}.done`, '{"id":"torn')
          await settleDeadLetters(path, [id], { status: 'dropped', reason: 'test', at: '2024-01-01T00:00:00Z' })
          break
        }
        assert.equal(await openLetters(path), 1)
      }),
  },
]
