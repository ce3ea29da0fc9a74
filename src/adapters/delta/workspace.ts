/** Names for local files, and their removal. What stands in them is the business of the codec and the object store. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Holder } from '../../ports/store.ts'

export type LocalFile = { readonly path: string } & AsyncDisposable

export interface Workspace {
  /** A name nobody has used, and the removal of what was written under it. */
  file(name: string): Promise<LocalFile>
  /** A folder for what the codec keeps while it works. */
  folder(): Promise<string>
  /** Removes everything. */
  close(): Promise<void>
}

/** The process that uses a folder, and whether another one is certainly gone. */
export interface Processes {
  readonly own: Pick<Holder, 'host' | 'pid' | 'startedAt'>
  isDead(holder: Holder): boolean
}

const PREFIX = 'defacto-archive-'
const OWNER = 'owner.json'

/**
 * A folder of its own, made when it is first needed. Folders of killed processes hold copies of data, erased data in the
 * end: the next process removes them.
 */
export class TemporaryFolder implements Workspace {
  readonly #parent: string
  readonly #processes: Processes | null
  #folder: Promise<string> | null = null
  #files = 0

  constructor(parent: string = tmpdir(), processes: Processes | null = null) {
    this.#parent = parent
    this.#processes = processes
  }

  async file(name: string): Promise<LocalFile> {
    const folder = await this.folder()
    this.#files += 1
    const path = join(folder, `${this.#files}-${name}`)
    return { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) }
  }

  folder(): Promise<string> {
    this.#folder ??= this.#make()
    return this.#folder
  }

  async close(): Promise<void> {
    const folder = await this.#folder?.catch(() => null)
    this.#folder = null
    if (folder) await rm(folder, { recursive: true, force: true })
  }

  async #make(): Promise<string> {
    if (this.#processes !== null) await this.#removeLeftovers(this.#processes)
    const folder = await mkdtemp(join(this.#parent, PREFIX))
    if (this.#processes !== null) await writeFile(join(folder, OWNER), JSON.stringify(this.#processes.own))
    return folder
  }

  /** A folder that does not say whose it is may be one that is being made. */
  async #removeLeftovers({ isDead }: Processes): Promise<void> {
    const names = await readdir(this.#parent).catch(() => [])
    for (const name of names.filter((one) => one.startsWith(PREFIX))) {
      const folder = join(this.#parent, name)
      const owner = await ownerOf(folder)
      if (owner === null || !isDead(owner)) continue
      // Another user's folder is not ours to remove, and another process may be quicker.
      await rm(folder, { recursive: true, force: true }).catch(() => {})
    }
  }
}

async function ownerOf(folder: string): Promise<Holder | null> {
  try {
    const { host, pid, startedAt } = JSON.parse(await readFile(join(folder, OWNER), 'utf8')) as Partial<Holder>
    if (typeof host !== 'string' || typeof pid !== 'number' || typeof startedAt !== 'string') return null
    return { host, pid, startedAt, purpose: 'archive' }
  } catch {
    return null
  }
}
