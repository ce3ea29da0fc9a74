import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BACKENDS, type CrashPlace, sqliteFile } from './places.ts'
import { live } from './processes.ts'
import { EDITIONS, END, expectedInOrder, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 900
const PART = 30
const root = process.getuid?.() === 0

let shop: Workshop
beforeAll(() => {
  shop = workshop(COUNT, 3)
})
afterAll(() => shop.remove())

const job = (database: string, steps: WorkStep[]) => ({ database, recordsFile: shop.recordsFile, now: NOW, steps })
const open: WorkStep = { do: 'open', definitions }
const all: WorkStep = { do: 'ingest', source: 'kiosk', from: 0, to: COUNT, process: true }
const finish: WorkStep[] = [open, all, { do: 'build' }, { do: 'tick', asOf: END }]

for (const { name, describe, place } of BACKENDS) {
  describe(name, () => {
    test('three processes on one space at the same time: the same history as one', { timeout: 120_000 }, async () => {
      const space = await place(shop.folder, 'shared')
      await threeProcesses(space)
      await space.remove()
    })
  })
}

async function threeProcesses(space: CrashPlace): Promise<void> {
  const { database } = space
  const workers = [0, 1, 2].map((worker) => {
    const steps: WorkStep[] = [open]
    for (let from = worker * PART; from < COUNT; from += 3 * PART) {
      steps.push({ do: 'ingest', source: 'kiosk', from, to: from + PART, process: from % 2 === 0 })
      steps.push({ do: 'build', full: from % 5 === 0 })
    }
    return live(shop.folder, { ...job(database, steps), patient: true }, { chunk: 20 })
  })
  for (const life of await Promise.all(workers)) expect(life).toMatchObject({ killed: false, error: null })
  expect(await live(shop.folder, job(database, finish))).toMatchObject({ error: null, done: 4 })

  const expected = await expectedInOrder(space, shop.records, definitions)
  await expectIntact(space, definitions, expected)
}

test('a full disk is a clear error; with room again the same process chain finishes', {
  timeout: 120_000,
}, async () => {
  const folder = join(shop.folder, 'small')
  const mounted = mount(folder, '1m')
  if (!mounted)
    return void console.warn('left out: a full disk, because no file system of a limited size can be made here')
  try {
    const database = join(folder, 'full.db')
    const full = await live(shop.folder, job(database, finish))
    expect(full.error).toMatch(/StorageError: .*(no space left|file system failed)/)
    execFileSync('mount', ['-o', 'remount,size=64m', folder])
    expect(await live(shop.folder, job(database, finish))).toMatchObject({ error: null, done: 4 })
    await expectIntact(sqliteFile(database), definitions, expectedOf(shop.records, definitions, definitions))
  } finally {
    execFileSync('umount', [folder])
  }
})

test('a write that the system refuses is a clear error; without the limit the next process finishes', async () => {
  const database = join(shop.folder, 'limited.db')
  const limited = await live(shop.folder, job(database, finish), { maxFileBlocks: 1200 })
  expect(limited.error).toMatch(/StorageError: .*(no space left|file system failed)/)
  expect(await live(shop.folder, job(database, finish))).toMatchObject({ error: null, done: 4 })
  await expectIntact(sqliteFile(database), definitions, expectedOf(shop.records, definitions, definitions))
})

test('a folder or file that may not be written is a clear error, and nothing is made there', async () => {
  const folder = join(shop.folder, 'locked')
  mkdirSync(folder)
  // Root may write everywhere, so the process takes another user.
  const other = root ? { uid: 65_534, gid: 65_534 } : {}
  if (root) chownSync(folder, 65_534, 65_534)
  if (root) chmodSync(shop.folder, 0o755)
  const database = join(folder, 'locked.db')
  chmodSync(folder, 0o555)
  const refused = await live(shop.folder, job(database, finish), other)
  expect(refused.error).toMatch(/StorageError: .*(cannot be opened|cannot be written)/)

  chmodSync(folder, 0o755)
  expect(await live(shop.folder, job(database, [open, { ...all, to: 60 }]), other)).toMatchObject({
    error: null,
    done: 2,
  })
  chmodSync(database, 0o444)
  const readOnly = await live(shop.folder, job(database, finish), other)
  expect(readOnly.error).toMatch(/StorageError: .*(cannot be opened|cannot be written)/)
  // SQLite gave its companion files the permissions of the database.
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o644)
  expect(await live(shop.folder, job(database, finish), other)).toMatchObject({ error: null, done: 4 })
  await expectIntact(sqliteFile(database), definitions, expectedOf(shop.records, definitions, definitions))
})

/** True if a memory file system of this size now lies at `folder`. */
function mount(folder: string, size: string): boolean {
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' })
    return true
  } catch {
    rmSync(folder, { recursive: true })
    return false
  }
}
