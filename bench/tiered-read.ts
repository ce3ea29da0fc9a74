/** Replaying one entity of a ledger whose rows are all in the archive, and what that asks of the object storage. */
import { openDeltaArchive } from '../src/adapters/delta/archive.ts'
import { ROW_GROUP_ROWS } from '../src/adapters/delta/duckdb-session.ts'
import { silentLogger } from '../src/adapters/log/logger.ts'
import { openFolder } from '../src/adapters/objects/folder.ts'
import { tieredStore } from '../src/adapters/tiered/store.ts'
import { type Instant, instantFromDate } from '../src/core/instant.ts'
import { compileProgram } from '../src/core/program.ts'
import { Engine } from '../src/engine/engine.ts'
import { replayEntity } from '../src/engine/timeline.ts'
import { Definitions } from '../src/index.ts'
import type { ArchiveFile } from '../src/ports/archive.ts'
import type { ObjectStore } from '../src/ports/objects.ts'
import type { Store } from '../src/ports/store.ts'
import type { TierPort } from '../src/ports/tiers.ts'
import type { Place } from './store.ts'
import type { EntityRead, Fetched } from './tiered-result.ts'

/** Events of the entity that is looked for. */
const EVENTS = 20

export async function readEntity(place: Place, folder: string, definitions: string, now: string): Promise<EntityRead> {
  const objects = new CountingObjects(openFolder(folder))
  const archive = await openDeltaArchive({ objects })
  const store = tieredStore(await openHot(place, () => instantFromDate(new Date(now))!), archive)
  try {
    const program = compileProgram((await Definitions.fromDirectory(definitions)).toObject())
    const engine = new Engine({
      store,
      clock: () => new Date(now),
      newId: () => '',
      logger: silentLogger,
      deadLetter: null,
      batchSize: 1000,
      processStart: '',
    })
    const { entityId, sequences } = await widest(store.tiers, await store.ledger.head())
    const read = async (): Promise<Fetched> => {
      objects.reset()
      const at = performance.now()
      await replayEntity(engine, { version: program.version, program }, entityId)
      return { ms: performance.now() - at, requests: objects.requests, bytes: objects.bytes }
    }
    const cold = await read()
    const warm = await read()
    const files = (await archive.snapshot())?.files ?? []
    const groups = new Set(sequences.map((sequence) => groupOf(files, sequence))).size
    return {
      events: sequences.length,
      groups,
      allGroups: files.reduce((sum, file) => sum + groupsOf(file), 0),
      cold,
      warm,
    }
  } finally {
    await store.close()
  }
}

async function openHot({ database, namespace }: Place, now: () => Instant): Promise<Store> {
  if (namespace === undefined) {
    const { openSqliteStore } = await import('../src/adapters/sqlite/store.ts')
    return openSqliteStore({ path: database, now })
  }
  const { openPostgresStore } = await import('../src/adapters/postgres/store.ts')
  return openPostgresStore({ url: database, namespace, now })
}

/** Of the entities with so many events, or the most below it, the one whose events lie furthest apart. */
async function widest(tiers: TierPort, to: number): Promise<{ entityId: string; sequences: readonly number[] }> {
  const spans = new Map<string, { count: number; first: number; last: number }>()
  for await (const members of tiers.members({ to, afterEntity: null })) {
    for (const { entityId, sequence } of members) {
      const span = spans.get(entityId)
      if (span === undefined) spans.set(entityId, { count: 1, first: sequence, last: sequence })
      else [span.count, span.last] = [span.count + 1, sequence]
    }
  }
  let best = ''
  let rank = [0, 0]
  for (const [entityId, { count, first, last }] of spans) {
    const own = [count > EVENTS ? 0 : count, last - first]
    if (own[0]! > rank[0]! || (own[0] === rank[0] && own[1]! > rank[1]!)) [best, rank] = [entityId, own]
  }
  const members = await tiers.membersOf(null, [best], to)
  return { entityId: best, sequences: members.map(({ sequence }) => sequence) }
}

function groupsOf({ rows }: ArchiveFile): number {
  return Math.ceil((rows ?? 0) / ROW_GROUP_ROWS)
}

/** Sequences have no gaps, so a row's place is told by its sequence. */
function groupOf(files: readonly ArchiveFile[], sequence: number): string {
  const file = files.find(({ sequences }) => sequences !== null && sequence <= sequences.last)
  return `${file?.path} ${Math.floor((sequence - (file?.sequences?.first ?? 0)) / ROW_GROUP_ROWS)}`
}

/** Counts what is asked for; a listing is one request for each thousand names, as S3 has it. */
class CountingObjects implements ObjectStore {
  readonly #objects: ObjectStore
  readonly location: string
  requests = 0
  bytes = 0

  constructor(objects: ObjectStore) {
    this.#objects = objects
    this.location = objects.location
  }

  reset(): void {
    this.requests = 0
    this.bytes = 0
  }

  async get(path: string, range?: { start: number; end?: number }): Promise<Uint8Array | undefined> {
    const bytes = await this.#objects.get(path, range)
    return this.#count(bytes, bytes?.length)
  }

  hidden(prefix: string): ReturnType<ObjectStore['hidden']> {
    return this.#objects.hidden(prefix)
  }

  abandon(ageMs: number): ReturnType<ObjectStore['abandon']> {
    return this.#objects.abandon(ageMs)
  }

  async download(path: string, file: string): Promise<number | undefined> {
    const size = await this.#objects.download(path, file)
    return this.#count(size, size)
  }

  async stat(path: string): ReturnType<ObjectStore['stat']> {
    return this.#count(await this.#objects.stat(path), 0)
  }

  async put(...given: Parameters<ObjectStore['put']>): ReturnType<ObjectStore['put']> {
    return this.#count(await this.#objects.put(...given), 0)
  }

  async upload(path: string, file: string): Promise<void> {
    return this.#count(await this.#objects.upload(path, file), 0)
  }

  async remove(paths: readonly string[]): ReturnType<ObjectStore['remove']> {
    return this.#count(await this.#objects.remove(paths), 0)
  }

  async *list(...given: Parameters<ObjectStore['list']>): ReturnType<ObjectStore['list']> {
    let names = 0
    for await (const object of this.#objects.list(...given)) {
      if (names % 1000 === 0) this.requests += 1
      names += 1
      yield object
    }
    if (names === 0) this.requests += 1
  }

  close(): Promise<void> {
    return this.#objects.close()
  }

  #count<T>(answer: T, bytes = 0): T {
    this.requests += 1
    this.bytes += bytes
    return answer
  }
}
