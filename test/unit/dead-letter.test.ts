/** Dead letters in a file (spec 07 §9). */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetterFiles, FileDeadLetterSink } from '../../src/adapters/dead-letter/file.ts'
import { deadLetterLine, lineId, parseDeadLetterLine } from '../../src/adapters/dead-letter/line.ts'
import { readDeadLetters, settleDeadLetters } from '../../src/adapters/dead-letter/store.ts'
import { parseJson } from '../../src/core/expression/json.ts'
import { ConfigError, StorageError } from '../../src/errors.ts'
import type { DeadLetterEntry, DeadLetterStatus } from '../../src/ports/dead-letter.ts'
import type { EventFailure } from '../../src/results.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'defacto-dlq-'))
  path = join(folder, 'deep', 'er', 'letters.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function failure(over: Partial<EventFailure> = {}): EventFailure {
  return {
    raw: { kind: 'x' },
    error: 'record has no event type',
    stage: 'normalization',
    source: 'app',
    handler: null,
    field: 'kind',
    entityId: null,
    entityType: null,
    eventId: null,
    eventType: null,
    sequence: null,
    version: 'v1',
    at: '2024-01-01T00:00:00+00:00',
    recoverable: false,
    origin: { part: 'in.ndjson', line: 3, byte: 120 },
    ...over,
  }
}

async function all(options: { status?: DeadLetterStatus } = {}): Promise<DeadLetterEntry[]> {
  const entries: DeadLetterEntry[] = []
  for await (const entry of readDeadLetters(path, options)) entries.push(entry)
  return entries
}

describe('line', () => {
  it('has exactly the snake-case keys of the specification', () => {
    expect(Object.keys(JSON.parse(deadLetterLine(failure())) as object)).toEqual([
      'raw',
      'error',
      'stage',
      'source',
      'handler',
      'field',
      'entity_id',
      'entity_type',
      'event_id',
      'event_type',
      'sequence',
      'version',
      'at',
      'recoverable',
      'origin',
    ])
    expect(JSON.parse(deadLetterLine(failure({ advisory: true })))).toMatchObject({ advisory: true })
  })

  it('comes back as the same failure', () => {
    const one = failure({ raw: { n: 2n ** 60n, text: 'a\u2028b\nc' }, entityId: 'e', sequence: 7, advisory: true })
    const line = deadLetterLine(one)
    expect(line).not.toMatch(/[\n\u2028]/)
    expect(line).toContain('"n":1152921504606846976')
    expect(parseDeadLetterLine(line, parseJson)).toEqual(one)
  })

  it('is null for anything that is no failure', () => {
    for (const text of ['', '{', '[]', 'null', '{"a":1}', '{"stage":"other","error":"x"}']) {
      expect(parseDeadLetterLine(text)).toBeNull()
    }
  })
})

describe('file sink', () => {
  it('creates parents with the first failure and nothing before', async () => {
    const sink = new FileDeadLetterSink(path)
    await sink.send([])
    expect(existsSync(path)).toBe(false)
    await sink.send([failure(), failure({ source: 'billing' })])
    await sink.close()
    await sink.close()
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(2)
  })

  it('keeps the lines of overlapping sends whole and in order', async () => {
    const sink = new FileDeadLetterSink(path)
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => sink.send([failure({ field: `f${i}` }), failure({ field: `g${i}` })])),
    )
    const fields = (await all()).map((entry) => entry.failure.field)
    expect(fields).toEqual(Array.from({ length: 30 }, (_, i) => [`f${i}`, `g${i}`]).flat())
  })

  it('does not glue a line to one torn by a crash', async () => {
    mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
    writeFileSync(path, `${deadLetterLine(failure({ field: 'old' }))}\n{"raw":{"half`)
    await new FileDeadLetterSink(path).send([failure({ field: 'new' })])
    expect((await all()).map((entry) => entry.failure.field)).toEqual(['old', 'new'])
  })

  it('rotates by size and readers see every file, oldest first', async () => {
    const sink = new FileDeadLetterSink(path, { maxBytes: 700 })
    for (let i = 0; i < 12; i++) await sink.send([failure({ field: `f${i}` })])
    const files = await deadLetterFiles(path)
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) expect(readFileSync(file).length).toBeLessThanOrEqual(700)
    expect((await all()).map((entry) => entry.failure.field)).toEqual(Array.from({ length: 12 }, (_, i) => `f${i}`))
  })

  it('rejects with a recoverable storage error and works again afterwards', async () => {
    const blocked = join(folder, 'file')
    writeFileSync(blocked, '')
    const sink = new FileDeadLetterSink(join(blocked, 'letters.jsonl'))
    const error = await sink.send([failure()]).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StorageError)
    expect(error).toMatchObject({ recoverable: true, details: { operation: 'dead letter append' } })
    rmSync(blocked)
    await sink.send([failure()])
    await sink.close()
  })

  it('refuses a sink without path or with a senseless limit', () => {
    expect(() => new FileDeadLetterSink(' ')).toThrow(ConfigError)
    expect(() => new FileDeadLetterSink(path, { maxBytes: 0 })).toThrow(ConfigError)
  })

  it('can be read by its owner only', async () => {
    await new FileDeadLetterSink(path).send([failure()])
    await settleDeadLetters(path, ['x'], { status: 'dropped', reason: 'r', at: 't' })
    for (const name of readdirSync(join(folder, 'deep', 'er'))) {
      const stat = await import('node:fs').then((fs) => fs.statSync(join(folder, 'deep', 'er', name)))
      expect(stat.mode & 0o077).toBe(0)
    }
    chmodSync(path, 0o600)
  })
})

describe('settling', () => {
  it('hides retried and dropped entries from the open ones and keeps the lines', async () => {
    const sink = new FileDeadLetterSink(path)
    await sink.send([failure({ field: 'a' }), failure({ field: 'b' }), failure({ field: 'c' })])
    const before = readFileSync(path, 'utf8')
    const [a, b] = await all()
    await settleDeadLetters(path, [a!.id], { status: 'retried', reason: null, at: '2024-01-02T00:00:00Z' })
    await settleDeadLetters(path, [b!.id], { status: 'dropped', reason: 'test record', at: '2024-01-02T00:00:00Z' })
    expect((await all({ status: 'open' })).map((entry) => entry.failure.field)).toEqual(['c'])
    expect(await all({ status: 'dropped' })).toMatchObject([{ reason: 'test record' }])
    expect(readFileSync(path, 'utf8')).toBe(before)
  })

  it('survives half a line in the journal and takes the last decision', async () => {
    await new FileDeadLetterSink(path).send([failure()])
    const [entry] = await all()
    await settleDeadLetters(path, [entry!.id], { status: 'dropped', reason: 'first', at: 't' })
    appendFileSync(`${path}.done`, '{"id":"ha')
    await settleDeadLetters(path, [entry!.id], { status: 'retried', reason: null, at: 't' })
    expect((await all())[0]).toMatchObject({ status: 'retried', reason: null })
  })

  it('names entries by their content, whatever file they are in', async () => {
    const sink = new FileDeadLetterSink(path, { maxBytes: 1 })
    await sink.send([failure({ field: 'a' })])
    const [before] = await all()
    await sink.send([failure({ field: 'b' })])
    expect((await all())[0]?.id).toBe(before?.id)
    expect(before?.id).toBe(lineId(deadLetterLine(failure({ field: 'a' }))))
  })

  it('has nothing to read when there is no file', async () => {
    expect(await all()).toEqual([])
  })
})
