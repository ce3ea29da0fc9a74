/** Stand-alone, read-only access to a history store (spec 06 §10): the composition root that picks its reader. */
import type { DefinitionsObject } from './core/definition/model.ts'
import { type Instant, instantFromDate } from './core/instant.ts'
import { historyLayout } from './core/program/layout.ts'
import { didYouMean } from './core/spelling.ts'
import type { DefinitionsInput } from './definition-types.ts'
import type { Definitions } from './definitions.ts'
import { ConfigError, NotFoundError, QueryError } from './errors.ts'
import { type HistoryPlace, historyPlace } from './history-place.ts'
import { readPlaces } from './own-places.ts'
import type { HistoryReading, StoredVersion } from './ports/reading.ts'
import { Queries, type QuerySource, VersionQueries } from './queries.ts'
import type { ExportPlaces } from './query/export/access.ts'
import { HandleReader } from './query/handle-reader.ts'
import type { QueryProgram } from './query/root.ts'

export interface ConnectQueryOptions {
  /** Which space of a database; default `defacto`. A SQLite file has one, which is checked if it is named. */
  namespace?: string
}

/**
 * Queries of one version of a history store that somebody else fills: an engine, a consumer or an export. Nothing is ever
 * made, migrated or locked; one that writes goes on meanwhile.
 */
export class DefactoQuery<D extends DefinitionsInput = DefinitionsInput> extends Queries<D> {
  readonly #reading: HistoryReading
  readonly #exports: ExportPlaces
  readonly #given: QueryProgram
  readonly #source: QuerySource
  #stored: Stored
  #closing: Promise<void> | null = null

  private constructor(
    reading: HistoryReading,
    exports: ExportPlaces,
    given: QueryProgram,
    version: string,
    stored: Stored,
  ) {
    super()
    this.#reading = reading
    this.#exports = exports
    this.#given = given
    this.#stored = stored
    this.#source = this.#sourceOf(version, given)
  }

  /**
   * Opens `postgresql://…`, `postgres://…`, `sqlite:///path`, `duckdb:///path`, or a bare path, of DuckDB if
   * it ends in `.duckdb`, else of SQLite.
   * `version` may be left out if the store holds exactly one.
   * @throws ConfigError, StorageError, DefinitionError or NotFoundError: nothing stays open then
   */
  static async connect<const D extends DefinitionsInput>(
    url: string,
    definitions: D | Definitions | string,
    version?: string,
    options: ConnectQueryOptions = {},
  ): Promise<DefactoQuery<D>> {
    const place = historyPlace(url)
    const given = await programOf(definitions)
    const reading = await openReading(place, namespaceOf(options))
    try {
      const stored = await storedVersions(reading)
      await reading.reader.refresh()
      return new DefactoQuery<D>(reading, await exportPlaces(place), given, chosen(version, stored), stored)
    } catch (error) {
      await reading.close()
      throw error
    }
  }

  /** The version that is read. */
  get activeVersion(): string {
    return this.#source.version
  }

  /** Names of the versions that the store holds now, the oldest first. */
  async versions(): Promise<readonly string[]> {
    this.#assertOpen()
    this.#stored = await storedVersions(this.#reading)
    return [...this.#stored.keys()]
  }

  /**
   * The same entry points for another version, with its own definitions if the store keeps them, else those given. Versions
   * that came after `connect` are known after `versions()`.
   */
  version(name: string): Queries {
    this.#assertOpen()
    assertKnown(name, this.#stored)
    const text = this.#stored.get(name)?.definitions ?? null
    const program = text === null ? this.#given : compiled(JSON.parse(text) as DefinitionsObject)
    return new VersionQueries(this.#sourceOf(name, program))
  }

  /** Releases the store; may be repeated. What is asked afterwards, or is still under way, is a `QueryError`. */
  async close(): Promise<void> {
    this.#closing ??= this.#reading.close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected source(): QuerySource {
    this.#assertOpen()
    return this.#source
  }

  #sourceOf(version: string, program: QueryProgram): QuerySource {
    const reader = new HandleReader(this.#reading.reader, program.layout, version, {
      layout: this.#stored.get(version)?.layout,
      current: async () => (await storedVersions(this.#reading)).get(version)?.layout,
      assertOpen: () => this.#assertOpen(),
    })
    return { reader, program, version, exports: this.#exports }
  }

  #assertOpen(): void {
    if (this.#closing === null) return
    throw new QueryError('this query handle is closed; connect again', { code: 'E_QUERY_CLOSED' })
  }
}

/** What the store holds, by version. */
type Stored = ReadonlyMap<string, StoredVersion>

async function storedVersions(reading: HistoryReading): Promise<Stored> {
  return new Map((await reading.versions()).map((row) => [row.version, row]))
}

function chosen(version: string | undefined, stored: Stored): string {
  if (version !== undefined) {
    assertKnown(version, stored)
    return version
  }
  const [only, ...others] = stored.keys()
  if (only === undefined) throw new NotFoundError('the store holds no version yet; build one first')
  if (others.length === 0) return only
  throw new ConfigError(`the store holds several versions, name one: ${[only, ...others].join(', ')}`, {
    details: { versions: [only, ...others] },
  })
}

function assertKnown(version: string, stored: Stored): void {
  if (stored.has(version)) return
  const names = [...stored.keys()]
  const known = names.length === 0 ? 'the store holds none yet' : `the store holds ${names.join(', ')}`
  throw new NotFoundError(`no version '${version}'${didYouMean(version, names)}; ${known}`, {
    details: { version, versions: names },
  })
}

function namespaceOf(options: ConnectQueryOptions): string | undefined {
  for (const name of Object.keys(options)) {
    if (name !== 'namespace') {
      throw new ConfigError(`unknown option '${name}'${didYouMean(name, ['namespace'])}; there is only 'namespace'`, {
        code: 'E_CONFIG_UNKNOWN_OPTION',
        details: { option: name },
      })
    }
  }
  const { namespace } = options
  if (namespace === undefined || /^[A-Za-z_][A-Za-z0-9_]*$/.test(namespace)) return namespace
  throw new ConfigError(`namespace '${namespace}' must match [A-Za-z_][A-Za-z0-9_]*`)
}

/** Drivers are loaded when they are needed. */
async function openReading(place: HistoryPlace, namespace: string | undefined): Promise<HistoryReading> {
  switch (place.kind) {
    case 'postgres': {
      const { openPostgresReader } = await import('./adapters/postgres/reading.ts')
      return openPostgresReader({ url: place.url, namespace })
    }
    case 'sqlite': {
      const { openSqliteReader } = await import('./adapters/sqlite/reading.ts')
      return openSqliteReader({ path: place.path, namespace })
    }
    case 'duckdb': {
      const { openDuckdbReader } = await import('./adapters/duckdb/reader.ts')
      return openDuckdbReader({ path: place.path, namespace: namespace ?? 'defacto' })
    }
  }
}

/** A handle writes nothing to the store, so what it exports is not recorded there. */
async function exportPlaces(place: HistoryPlace): Promise<ExportPlaces> {
  const { exportWriters } = await import('./export-writers.ts')
  const own = place.kind === 'postgres' ? [] : readPlaces(place.kind, place.path)
  return { writers: exportWriters(own), log: null, now: () => instantFromDate(new Date()) as Instant }
}

/** What reads YAML and checks definitions is loaded here, not by whoever imports this file. */
async function programOf(given: DefinitionsInput | Definitions | string): Promise<QueryProgram> {
  const { Definitions: loaded } = await import('./definitions.ts')
  let definitions: Definitions
  if (typeof given === 'string') definitions = await loaded.fromDirectory(given)
  else definitions = given instanceof loaded ? given : loaded.fromObject(given)
  definitions.assertValid()
  return compiled(definitions.toObject())
}

function compiled(definitions: DefinitionsObject): QueryProgram {
  return { definitions, layout: historyLayout(definitions) }
}
