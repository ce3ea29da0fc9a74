/** An object store in memory, strongly consistent as S3, shared by all processes; each has its own connection to it. */
import { StorageError } from '../../src/errors.ts'
import type { ObjectStore, StoredObject } from '../../src/ports/objects.ts'
import type { Requests } from './faults.ts'
import type { Disk } from './local-disk.ts'
import type { Random } from './random.ts'
import type { Process } from './scheduler.ts'

export interface StoredBody {
  readonly path: string
  readonly body: Uint8Array
  readonly modifiedAt: Date
}

export class Bucket {
  readonly objects = new Map<string, StoredBody>()
  readonly #requests: Requests
  readonly #now: () => Date
  /** After every change; who looks here sees what is really stored. */
  onChange: (path: string) => void = () => {}
  /** Earlier lists of objects, for listings that lag behind. */
  #history: (readonly StoredBody[])[] = []

  readonly spoil: Spoil

  constructor(requests: Requests, now: () => Date, spoil: Spoil) {
    this.spoil = spoil
    this.#requests = requests
    this.#now = now
  }

  /** The connection of one process. */
  connect(process: Process, disk: Disk): ObjectStore {
    const request = <T>(operation: string, path: string, effect: () => T): Promise<T> =>
      this.#requests.request(process, `${operation} ${path}`, effect)
    return {
      location: 'memory:',
      get: (path, range) =>
        request('get', path, () => {
          const found = this.objects.get(path)?.body
          return range === undefined ? found : found?.slice(range.start, range.end)
        }),
      stat: (path) => request('stat', path, () => this.#stored(path)),
      put: (path, body, options = {}) =>
        request('put', path, () => {
          if (options.ifAbsent === true && this.objects.has(path)) return { written: false }
          this.#set(path, body)
          return { written: true }
        }),
      upload: async (path, file) => {
        const body = await disk.read(file)
        await request('upload', path, () => {
          if (this.objects.has(path)) throw exists(path)
          this.#set(
            path,
            path.startsWith('data/') && this.#requests.happens('damaged')
              ? this.spoil(body, this.#requests.scheduler.random)
              : body,
          )
        })
      },
      download: async (path, file) => {
        const body = await request('download', path, () => this.objects.get(path)?.body)
        if (body === undefined) return undefined
        await disk.write(file, body)
        return body.length
      },
      list: (prefix, options = {}) => this.#list(process, prefix, options.after ?? ''),
      remove: (paths) =>
        request('remove', paths.join(' '), () => {
          this.#remember()
          for (const path of paths) this.objects.delete(path)
          for (const path of paths) this.onChange(path)
          return []
        }),
      hidden: async () => ({ paths: [], reason: null }),
      // A writer that dies leaves nothing here.
      abandon: async () => ({ removed: 0, pending: [] }),
      close: async () => {},
    }
  }

  async *#list(process: Process, prefix: string, after: string): AsyncGenerator<StoredObject> {
    const found = await this.#requests.request(process, `list ${prefix}`, () => {
      const lag = this.#requests.scheduler.random.below(this.#requests.rates.staleListings + 1)
      const objects = lag === 0 ? [...this.objects.values()] : (this.#history.at(-lag) ?? [])
      return objects
        .filter(({ path }) => path.startsWith(prefix) && path > after)
        .sort((a, b) => (a.path < b.path ? -1 : 1))
        .map(({ path, body, modifiedAt }) => ({ path, size: body.length, modifiedAt }))
    })
    yield* found
  }

  #stored(path: string): StoredObject | undefined {
    const found = this.objects.get(path)
    return found === undefined ? undefined : { path, size: found.body.length, modifiedAt: found.modifiedAt }
  }

  #set(path: string, body: Uint8Array): void {
    this.#remember()
    this.objects.set(path, { path, body, modifiedAt: this.#now() })
    this.onChange(path)
  }

  #remember(): void {
    if (this.#requests.rates.staleListings === 0) return
    this.#history = [...this.#history.slice(1 - this.#requests.rates.staleListings), [...this.objects.values()]]
  }
}

/** What a fault makes of a body. */
export type Spoil = (body: Uint8Array, random: Random) => Uint8Array

export const shortened: Spoil = (body, random) => body.slice(0, -1 - random.below(20))

/** Too short, or of the right size with other content. */
export const spoiled: Spoil = (body, random) => {
  if (random.chance(0.5)) return shortened(body, random)
  const changed = Uint8Array.from(body)
  const at = random.below(changed.length)
  changed[at] = changed[at]! ^ (1 + random.below(255))
  return changed
}

function exists(path: string): StorageError {
  return new StorageError(`there is an object '${path}'`, {
    details: { operation: 'upload', object: path, outcome: 'exists' },
  })
}
