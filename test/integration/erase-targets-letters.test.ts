/** A person leaves the files of the dead-letter sink while others write to them (spec 05 §4.2 no. 14, §5.4). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { FileDeadLetterSink } from '../../src/adapters/dead-letter/file.ts'
import { lineId } from '../../src/adapters/dead-letter/line.ts'
import { DeadLetterFileTarget, type Rewriter } from '../../src/adapters/dead-letter/purge.ts'
import type { RewriteCall } from '../../src/adapters/dead-letter/rewrite.ts'
import { readDeadLetters, settleDeadLetters } from '../../src/adapters/dead-letter/store.ts'
import { frozenSubject, treating } from '../../src/testing/contract/run-log-erase.ts'
import { letter } from '../../src/testing/contract/run-log-fixtures.ts'

const MAIL = 'ada@example.com'
const ME: Rewriter = { name: 'me', isGone: (name) => name === 'gone' }
const person = frozenSubject(['m-1'], [MAIL])
const mine = (n: number): ReturnType<typeof letter> => letter({ raw: { n, mail: MAIL } })
const other = (n: number): ReturnType<typeof letter> => letter({ raw: { n } })

const folders: string[] = []
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-letters-'))
  folders.push(folder)
  return folder
}
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function numbers(path: string): Promise<number[]> {
  const found = new Set<number>()
  for await (const { failure } of readDeadLetters(path)) found.add((failure.raw as { n: number }).n)
  return [...found].sort((a, b) => a - b)
}

async function everyByte(folder: string): Promise<string> {
  const names = await readdir(folder)
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n')
}

describe('dead-letter files', () => {
  test('lines of the person go from every file, with what was decided about them', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'letters.jsonl')
    const sink = new FileDeadLetterSink(path, { maxBytes: 600 })
    for (let n = 0; n < 12; n += 2) await sink.send([mine(n), other(n + 1)])
    assert.ok((await readdir(folder)).length > 3)
    const before: { id: string; n: number }[] = []
    for await (const { id, failure } of readDeadLetters(path)) before.push({ id, n: (failure.raw as { n: number }).n })
    for (const { id, n } of before.slice(0, 4)) {
      await settleDeadLetters(path, [id], { status: 'dropped', reason: n % 2 === 0 ? MAIL : 'known', at: '' })
    }
    // Half a line that a crash left, with the person in it.
    await writeFile(path, `{"raw": {"mail": "${MAIL}`, { flag: 'a' })
    const target = new DeadLetterFileTarget(path, ME)
    assert.equal(await target.plan(person), 7)
    assert.deepEqual(await target.erase([person], {}), [{ action: 'deleted', items: 7 }])
    assert.deepEqual(await target.verify(person), { remaining: 0, method: 'scan' })
    assert.deepEqual(await target.erase([person], {}), [{ action: 'deleted', items: 0 }])
    assert.deepEqual(await numbers(path), [1, 3, 5, 7, 9, 11])
    assert.ok(!(await everyByte(folder)).includes(MAIL))
    const dropped: unknown[] = []
    for await (const { reason } of readDeadLetters(path, { status: 'dropped' })) dropped.push(reason)
    assert.deepEqual(dropped, ['known', 'known'])
    assert.ok((await readdir(folder)).every((name) => !name.includes('purge')))
  })

  test('a redaction treats them in place, and decisions stay', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'letters.jsonl')
    await new FileDeadLetterSink(path).send([mine(1), other(2)])
    const [line = ''] = (await readFile(path, 'utf8')).split('\n')
    await settleDeadLetters(path, [lineId(line)], { status: 'dropped', reason: 'known', at: '' })
    const redacted = frozenSubject(['m-1'], [MAIL], { treat: treating([MAIL]) })
    const target = new DeadLetterFileTarget(path, ME)
    assert.deepEqual(await target.erase([redacted], {}), [{ action: 'scrubbed', items: 1 }])
    assert.deepEqual(await target.erase([redacted], {}), [{ action: 'scrubbed', items: 0 }])
    const found: unknown[] = []
    for await (const { failure, status } of readDeadLetters(path)) found.push([failure.raw, status])
    assert.deepEqual(found, [
      [{ n: 1, mail: '[REDACTED]' }, 'dropped'],
      [{ n: 2 }, 'open'],
    ])
    assert.ok(!(await everyByte(folder)).includes(MAIL))
  })

  for (const step of ['copied', 'linked', 'replaced'] as const) {
    test(`lines that come when the file is ${step} are kept, and a death there is mended`, async () => {
      const folder = await temporaryFolder()
      const path = join(folder, 'letters.jsonl')
      const sink = new FileDeadLetterSink(path)
      await sink.send([mine(1), other(2)])
      let dies = true
      const at: RewriteCall['at'] = async (now) => {
        if (now !== step) return
        await sink.send([other(dies ? 3 : 5), mine(4)])
        if (dies) throw new Error('on purpose')
      }
      const target = new DeadLetterFileTarget(path, ME, at)
      await assert.rejects(target.erase([person], {}), /on purpose/)
      assert.ok((await target.verify(person)).remaining > 0)
      dies = false
      await target.erase([person], {})
      while ((await target.verify(person)).remaining > 0) await new DeadLetterFileTarget(path, ME).erase([person], {})
      const there = await numbers(path)
      assert.deepEqual(
        there.filter((n) => n !== 5),
        [2, 3],
      )
      assert.ok(!(await everyByte(folder)).includes(MAIL))
    })
  }

  test('lines that another process writes meanwhile are all there in the end', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'letters.jsonl')
    const source = `
      import { FileDeadLetterSink } from ${JSON.stringify(join(process.cwd(), 'src/adapters/dead-letter/file.ts'))}
      import { letter } from ${JSON.stringify(join(process.cwd(), 'src/testing/contract/run-log-fixtures.ts'))}
      const sink = new FileDeadLetterSink(process.argv[1], { maxBytes: 20_000 })
      for (let n = 0; n < 400; n++) {
        await sink.send([letter({ raw: { n, mail: n % 2 === 0 ? '${MAIL}' : 'x' } })])
      }
    `
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', source, path], { stdio: 'inherit' })
    const ended = once(child, 'exit')
    const target = new DeadLetterFileTarget(path, ME)
    let rounds = 0
    while (child.exitCode === null) {
      await target.erase([person], {})
      rounds += 1
      await new Promise(setImmediate)
    }
    assert.deepEqual(await ended, [0, null])
    assert.ok(rounds > 3)
    while ((await target.verify(person)).remaining > 0) await target.erase([person], {})
    assert.deepEqual(
      await numbers(path),
      Array.from({ length: 200 }, (_, i) => 2 * i + 1),
    )
    assert.ok(!(await everyByte(folder)).includes(MAIL))
  }, 60_000)

  test('one rewriter waits for another, unless that is dead; without files there is nothing to do', async () => {
    const folder = join(await temporaryFolder(), 'sub')
    const path = join(folder, 'letters.jsonl')
    const target = new DeadLetterFileTarget(path, ME)
    assert.deepEqual(await target.erase([person], {}), [{ action: 'deleted', items: 0 }])
    await mkdir(folder)
    assert.equal(await target.plan(person), 0)
    await new FileDeadLetterSink(path).send([mine(1)])
    await writeFile(`${path}.purge-lock`, 'somebody')
    await assert.rejects(target.erase([person], {}), /rewritten by another process/)
    await writeFile(`${path}.purge-lock`, 'gone')
    assert.deepEqual(await target.erase([person, person], {}), [
      { action: 'deleted', items: 1 },
      { action: 'deleted', items: 0 },
    ])
  })
})
