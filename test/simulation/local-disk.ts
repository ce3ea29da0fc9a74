/** Local files of one process: in memory, or real ones where a real library reads and writes them. */
import { readFile, writeFile } from 'node:fs/promises'
import { TemporaryFolder, type Workspace } from '../../src/adapters/delta/workspace.ts'
import type { Scheduler } from './scheduler.ts'

export interface Disk {
  readonly workspace: Workspace
  read(file: string): Promise<Uint8Array>
  write(file: string, body: Uint8Array): Promise<void>
}

export class MemoryDisk implements Disk {
  readonly files = new Map<string, Uint8Array>()
  #names = 0

  readonly workspace: Workspace = {
    file: async (name) => {
      this.#names += 1
      const path = `${this.#names}-${name}`
      return {
        path,
        [Symbol.asyncDispose]: async () => {
          this.files.delete(path)
        },
      }
    },
    folder: () => Promise.reject(new Error('there is no folder in memory')),
    close: async () => this.files.clear(),
  }

  async read(file: string): Promise<Uint8Array> {
    const body = this.files.get(file)
    if (body === undefined) throw new Error(`there is no local file '${file}'`)
    return body
  }

  async write(file: string, body: Uint8Array): Promise<void> {
    this.files.set(file, body)
  }
}

export function realDisk(parent: string, scheduler: Scheduler): Disk {
  const folder = new TemporaryFolder(parent)
  return {
    workspace: {
      file: (name) =>
        scheduler.real(async () => {
          const { path, ...file } = await folder.file(name)
          return {
            path,
            [Symbol.asyncDispose]: () => scheduler.real(() => Promise.resolve(file[Symbol.asyncDispose]())),
          }
        }),
      folder: () => scheduler.real(() => folder.folder()),
      close: () => scheduler.real(() => folder.close()),
    },
    read: (file) => scheduler.real(() => readFile(file)),
    write: (file, body) => scheduler.real(() => writeFile(file, body)),
  }
}
