/** The versions of an open space with their programs, compiled when first used (spec 04 §4.3: state per version). */
import { compileProgram, type Program, type ProgramOptions } from './core/program.ts'
import { Definitions } from './definitions.ts'
import type { Edition } from './engine/engine.ts'
import { NotFoundError } from './errors.ts'
import type { VersionPort } from './ports/store.ts'

export class Editions {
  readonly #versions: VersionPort
  readonly #options: ProgramOptions
  readonly #compiled = new Map<string, Edition>()
  /** Stored definitions by version, as of the last `refresh`. */
  #stored = new Map<string, string>()

  constructor(versions: VersionPort, options: ProgramOptions, known: readonly Edition[]) {
    this.#versions = versions
    this.#options = options
    for (const edition of known) this.#compiled.set(edition.version, edition)
  }

  /** Learns of versions that were registered since, here or by another process. */
  async refresh(): Promise<void> {
    this.#stored = new Map((await this.#versions.list()).map((row) => [row.version, row.definitions]))
  }

  /** A version known since the last `refresh`; `NotFoundError` names those that are. */
  get(version: string): Edition {
    const compiled = this.#compiled.get(version)
    if (compiled !== undefined) return compiled
    const definitions = this.#stored.get(version)
    if (definitions === undefined) {
      const names = [...this.#stored.keys()]
      throw new NotFoundError(`unknown version '${version}'; registered: ${names.join(', ')}`, { details: { version } })
    }
    const edition = { version, program: programOf(definitions, this.#options) }
    this.#compiled.set(version, edition)
    return edition
  }

  /** Every version registered by now. */
  async all(): Promise<readonly Edition[]> {
    await this.refresh()
    return [...this.#stored.keys()].map((version) => this.get(version))
  }

  /** As `get`, after looking whether it was registered since. */
  async find(version: string): Promise<Edition> {
    if (!this.#compiled.has(version)) await this.refresh()
    return this.get(version)
  }
}

/** The program of stored definitions. */
export function programOf(definitions: string, options: ProgramOptions): Program {
  return compileProgram(Definitions.fromObject(JSON.parse(definitions)).toObject(), options)
}
