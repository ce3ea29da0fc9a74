/** Versions of a space as users handle them (spec 09 §5): register, activate, compare, draft. */
import { type DefinitionsDiff, diffDefinitions } from './core/definition/diff.ts'
import type { DefinitionsObject } from './core/definition/model.ts'
import { compileProgram, type ProgramOptions } from './core/program.ts'
import type { AnyDefinitions } from './definition-types.ts'
import { Definitions } from './definitions.ts'
import { DefinitionsDraft as Draft, type RegisterResult } from './definitions-draft.ts'
import type { Edition, Engine } from './engine/engine.ts'
import { detectMode, type ModeDecision } from './engine/modes.ts'
import { latestState, registerVersion, seedFrom } from './engine/versions.ts'
import { DefinitionError, NotFoundError } from './errors.ts'
import type { BuildResult } from './results.ts'

interface ManagerParts {
  readonly engine: Engine
  readonly programOptions: ProgramOptions
  edition(version: string): Promise<Edition>
  activate(version: string): Promise<BuildResult>
}

export class DefinitionsManager {
  readonly #parts: ManagerParts

  constructor(parts: ManagerParts) {
    this.#parts = parts
  }

  /** All registered versions, oldest first. */
  async versions(): Promise<readonly { version: string; active: boolean; createdAt: string }[]> {
    const rows = await this.#parts.engine.store.versions.list()
    return rows.map(({ version, active, createdAt }) => ({ version, active, createdAt }))
  }

  /** Name of the version readers see. */
  async active(): Promise<string> {
    const row = await this.#parts.engine.store.versions.active()
    if (row === undefined) throw new NotFoundError('the space has no active version yet')
    return row.version
  }

  /** Definitions of a version (default: the active one) in canonical object form. */
  async get(version?: string): Promise<DefinitionsObject> {
    const edition = await this.#parts.edition(version ?? (await this.active()))
    return structuredClone(edition.program.definitions)
  }

  /**
   * Makes definitions known under a name; nothing is built or switched. `DefinitionError` if they are invalid, or the
   * name stands for other definitions.
   */
  async register(version: string, definitions: AnyDefinitions | Definitions): Promise<RegisterResult> {
    if (!/^[A-Za-z0-9_]+$/.test(version)) {
      throw new DefinitionError(`version name '${version}' may hold only letters, digits and '_'`)
    }
    const given = definitions instanceof Definitions ? definitions : Definitions.fromObject(definitions)
    const { warnings } = given.assertValid()
    const program = compileProgram(given.toObject(), this.#parts.programOptions)
    const decision = await this.#impact(given)
    await registerVersion(this.#parts.engine, { version, program })
    await this.#parts.edition(version)
    const changes = diffDefinitions(await this.get(), given.toObject())
    return { version, changes, buildMode: decision.mode, warnings }
  }

  /** Builds the version beside the one in use, then switches readers and writers to it (spec 04 §4.11). */
  async activate(version: string): Promise<BuildResult> {
    return this.#parts.activate(version)
  }

  async diff(a: string, b: string): Promise<DefinitionsDiff> {
    return diffDefinitions(await this.get(a), await this.get(b))
  }

  /** A draft of `version`, starting from `basedOn` (default: the active version). */
  async draft(version: string, options: { basedOn?: string } = {}): Promise<Draft> {
    return new Draft(await this.get(options.basedOn), {
      validate: (definitions) => Definitions.fromObject(definitions).validate(),
      impact: async (definitions) => {
        const { mode, reason } = await this.#impact(Definitions.fromObject(definitions))
        return { buildMode: mode, reason }
      },
      register: (definitions) => this.register(version, definitions),
    })
  }

  /** What building these definitions as a new version would take; the decision a build makes itself. */
  async #impact(definitions: Definitions): Promise<ModeDecision> {
    const { engine } = this.#parts
    const { store } = engine
    const { hashes } = definitions
    const active = await store.versions.active()
    const previous = active === undefined ? undefined : await latestState(engine, active.version)
    return detectMode({
      hashes,
      state: seedFrom(engine, definitions.version, previous ?? hashes),
      mapping: await store.mapping.state(),
      shadow: undefined,
      head: await store.ledger.head(),
      changes: 'none',
      shards: store.shard?.total ?? 1,
    })
  }
}
