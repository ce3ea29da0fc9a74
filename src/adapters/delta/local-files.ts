/**
 * Local copies of data files. Those never change, so a copy serves every reader until there is no room for it or the
 * table names its file no more: what was erased from the table does not live on here.
 */
import type { LocalCopy } from './codec.ts'
import { type CopySource, FileCopy, type Needs, type StoredFile } from './file-copy.ts'

export class LocalFiles {
  readonly #source: CopySource
  readonly #most: number
  /** Least recently used first. */
  readonly #copies = new Map<string, FileCopy>()
  /** Files of the newest version that is known. */
  #live: { has(path: string): boolean } | null = null

  /** @param most bytes of copies, those in use aside */
  constructor(source: CopySource, most: number) {
    this.#source = source
    this.#most = most
  }

  /**
   * A copy that stays as it is until the caller is done with it.
   * @param needs the row groups that must be there; null: the whole file
   */
  async use(file: StoredFile, needs: Needs | null): Promise<LocalCopy & AsyncDisposable> {
    const copy = this.#copies.get(file.path) ?? new FileCopy(this.#source, file)
    this.#copies.delete(file.path)
    this.#copies.set(file.path, copy)
    copy.users += 1
    try {
      const local = await copy.fetched(needs)
      return { ...local, [Symbol.asyncDispose]: () => this.#release(copy) }
    } catch (error) {
      if (this.#copies.get(file.path) === copy) this.forget(file.path)
      await this.#release(copy)
      throw error
    }
  }

  /** Fetches the file anew for the next reader. */
  forget(path: string): void {
    this.#copies.delete(path)
  }

  /** Drops copies of files that the newest version does not name, now or when their last reader is done. */
  async retain(live: { has(path: string): boolean }): Promise<void> {
    this.#live = live
    await this.#tidy()
  }

  async #release(copy: FileCopy): Promise<void> {
    copy.users -= 1
    if (copy.users === 0 && this.#copies.get(copy.file.path) !== copy) await copy.dispose()
    await this.#tidy()
  }

  async #tidy(): Promise<void> {
    let bytes = [...this.#copies.values()].reduce((sum, copy) => sum + copy.bytes, 0)
    const dropped: FileCopy[] = []
    for (const [path, copy] of this.#copies) {
      const stale = this.#live?.has(path) === false
      if (copy.users > 0 || !(stale || bytes > this.#most)) continue
      bytes -= copy.bytes
      this.#copies.delete(path)
      dropped.push(copy)
    }
    await Promise.all(dropped.map((copy) => copy.dispose()))
  }
}
