/** Certificates outside the database, one file each: `<certificate_id>.json` (spec 10 §10.3). */
import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { StorageError } from '../../errors.ts'
import type { KeptCertificates } from '../../ports/privacy.ts'
import { makeFolder } from './make-folder.ts'
import { fileError } from './whole-file.ts'

const ID = /^c_[0-9a-f-]{36}$/
const FILE = /^(c_[0-9a-f-]{36})\.json$/

export class CertificateFolder implements KeptCertificates {
  readonly place: string

  /** It is made when the first certificate is kept. */
  constructor(folder: string) {
    this.place = resolve(folder)
  }

  /** Whole or not at all, also after a power cut. */
  async keep(certificateId: string, body: string): Promise<void> {
    if (!ID.test(certificateId)) throw new StorageError('a certificate with such an id cannot be kept')
    const file = this.#fileOf(certificateId)
    const temporary = join(this.place, `.${certificateId}.${randomBytes(4).toString('hex')}.part`)
    try {
      await makeFolder(this.place)
      await using handle = await open(temporary, 'wx')
      await handle.writeFile(body)
      await handle.sync()
      await rename(temporary, file)
      await syncFolder(this.place)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw fileError(error, file)
    }
  }

  async ids(): Promise<readonly string[]> {
    const names = await this.#read(() => readdir(this.place), [])
    return names.flatMap((name) => FILE.exec(name)?.[1] ?? []).sort()
  }

  async read(certificateId: string): Promise<string | null> {
    if (!ID.test(certificateId)) return null
    return this.#read(() => readFile(this.#fileOf(certificateId), 'utf8'), null)
  }

  #fileOf(certificateId: string): string {
    return join(this.place, `${certificateId}.json`)
  }

  async #read<T>(work: () => Promise<T>, absent: T): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return absent
      throw new StorageError(`the certificates in ${this.place} cannot be read (${code})`, {
        details: { operation: 'certificates', path: this.place },
        cause: error,
      })
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Folders cannot be opened on every system; there the name is as durable as the system makes it.
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}
