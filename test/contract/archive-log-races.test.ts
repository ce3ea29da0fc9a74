/**
 * Reading a log that others clean meanwhile. Listings are those of a folder, or of pages of a bucket: names as they were
 * at first, of which those that have gone since are missing. Others act at every point of that, and between the reads.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { copyTable } from '../../src/adapters/delta/copy-table.ts'
import { TemporaryFolder } from '../../src/adapters/delta/workspace.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import type { Archive, ArchiveSnapshot } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, scanned } from '../../src/testing/contract/archive.ts'
import { memoryCodec } from '../simulation/memory-codec.ts'
import { room } from '../support/room.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-races-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Files are JSON: the log is what matters, and this is quick. */
function open(objects: ObjectStore): Promise<Archive> {
  const workspace = new TemporaryFolder(folder)
  const codec = memoryCodec({ workspace, read: (file) => readFile(file), write: (file, body) => writeFile(file, body) })
  return openDeltaArchive({ objects, workspace, codec })
}

/** `step` is called before every request, and before every object of a listing is looked at. */
function interrupted(store: ObjectStore, step: (what: string) => Promise<void>): ObjectStore {
  return {
    location: store.location,
    get: async (path, range) => {
      await step(`get ${path}`)
      return store.get(path, range)
    },
    stat: async (path) => {
      await step(`stat ${path}`)
      return store.stat(path)
    },
    put: async (path, body, options) => {
      await step(`put ${path}`)
      return store.put(path, body, options)
    },
    upload: async (path, file) => {
      await step(`upload ${path}`)
      return store.upload(path, file)
    },
    download: async (path, file) => {
      await step(`download ${path}`)
      return store.download(path, file)
    },
    async *list(prefix, options) {
      await step('list')
      const paths: string[] = []
      for await (const { path } of store.list(prefix, options)) paths.push(path)
      for (const path of paths) {
        await step(`listed ${path}`)
        const found = await store.stat(path)
        if (found !== undefined) yield found
      }
    },
    remove: (paths) => store.remove(paths),
    hidden: (prefix) => store.hidden(prefix),
    close: () => store.close(),
  }
}

const entry = (version: number, kind = 'json') => `_delta_log/${String(version).padStart(20, '0')}.${kind}`

/** A table, what others do to it, and a reader that they come between. */
class Ground {
  readonly store = openFolder(join(folder, 'table'))
  /** Every version there ever was. */
  readonly versions = new Map<number, ArchiveSnapshot>()
  #rows = 0
  #writer: Archive | null = null
  #onStep: (what: string) => Promise<void> = async () => {}
  readonly #open: Archive[] = []

  async writer(): Promise<Archive> {
    this.#writer ??= await open(this.store)
    return this.#writer
  }

  async reader(): Promise<Archive> {
    const archive = await open(interrupted(this.store, (what) => this.#onStep(what)))
    this.#open.push(archive)
    return archive
  }

  /** Before the first step that fits; null: from now on nothing happens. */
  before(wanted: string | null, work: () => Promise<unknown> = async () => {}): void {
    this.at((what) => (wanted !== null && what.startsWith(wanted) ? work : null))
  }

  at(workAt: (what: string) => (() => Promise<unknown>) | null): void {
    this.#onStep = async (what) => {
      const work = workAt(what)
      if (work === null) return
      const others = this.#onStep
      this.#onStep = async () => {}
      await work()
      if (this.#onStep !== others) this.#onStep = others
    }
  }

  async #noted(): Promise<void> {
    const snapshot = await (await this.writer()).snapshot()
    if (snapshot !== null) this.versions.set(snapshot.version, snapshot)
  }

  /** One commit with a row more. */
  async append(): Promise<void> {
    this.#rows += 1
    await appendTo(await this.writer(), this.#rows)
    // The first one creates the table as well.
    if (this.#rows > 1) await this.#noted()
  }

  async purge(): Promise<void> {
    await (await this.writer()).purge({ orphanAgeMs: 0 })
    await this.#noted()
  }

  async checkpoint(): Promise<void> {
    await (await this.writer()).checkpoint()
  }

  async cleanLog(): Promise<void> {
    await (await this.writer()).cleanLog({ retentionMs: 0 })
  }

  async close(): Promise<void> {
    for (const archive of [...this.#open, ...(this.#writer === null ? [] : [this.#writer])]) await archive.close()
  }
}
