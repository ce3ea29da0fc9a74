/** Definition sets as users handle them (spec 01 §1, 09 §5). */
import { stringify } from 'yaml'
import { readDefinitionsDirectory, writeDefinitionsDirectory } from './adapters/files/definitions-directory.ts'
import { hashesOf, versionName } from './core/definition/canonical.ts'
import { fromNamed, fromObject, type Loaded, NOUNS } from './core/definition/load.ts'
import { fromYamlFiles, fromYamlText } from './core/definition/load-yaml.ts'
import type {
  DefinitionHashes,
  DefinitionsObject,
  EntityDef,
  Issue,
  SchemaDef,
  SourceDef,
} from './core/definition/model.ts'
import { KINDS, type Kind } from './core/definition/shape.ts'
import { issueText, type ValidateOptions, type ValidationResult, validate } from './core/definition/validate.ts'
import { type Buildable, definitionError, parseYaml, withoutParts } from './definition-parts.ts'
import type { AnyDefinitions, DefinitionsInput, EntityInput, SchemaInput, SourceInput } from './definition-types.ts'
import { DefinitionError } from './errors.ts'

export { Effect, Handler, Identity, Property, Relationship, State, TimeRule } from './definition-parts.ts'

const YAML = { lineWidth: 0, aliasDuplicateObjects: false } as const

/** Files that could not be read leave no set to work with; their findings, and all others so far, are thrown. */
function readable(loaded: Loaded): Loaded {
  if (loaded.issues.some((issue) => issue.code === 'E32')) throw definitionError(validate(loaded))
  return loaded
}

/** An immutable definition set. Mistakes in it are reported by `validate`, not by the methods that make one. */
export class Definitions {
  readonly #loaded: Loaded

  private constructor(loaded: Loaded) {
    this.#loaded = loaded
  }

  /**
   * Reads a project directory (spec 01 §1.2). Rejects with `DefinitionError` if it does not exist, holds no
   * definitions, or has files that cannot be read as YAML.
   */
  static async fromDirectory(path: string): Promise<Definitions> {
    const { files, issues } = await readDefinitionsDirectory(path)
    return new Definitions(readable(fromYamlFiles(files, issues)))
  }

  /** From the object form `{entities, sources, schemas, pipelines}`; never throws. */
  static fromObject(value: AnyDefinitions): Definitions {
    return new Definitions(fromObject(value))
  }

  static fromDict(value: AnyDefinitions): Definitions {
    return Definitions.fromObject(value)
  }

  /** From one YAML text in object form. Throws `DefinitionError` with line and column if it cannot be read. */
  static fromYaml(text: string): Definitions {
    return new Definitions(readable(fromYamlText(text)))
  }

  /** A set of single definitions. A name given twice is a `DefinitionError`. */
  static of(...parts: readonly (Entity | Source | Schema)[]): Definitions {
    const kinds: Record<Kind, Record<string, unknown>> = { entities: {}, sources: {}, schemas: {}, pipelines: {} }
    for (const part of parts) {
      if (Object.hasOwn(kinds[part.kind], part.name)) {
        throw oneError('E32', part.kind, `Duplicate ${NOUNS[part.kind]} '${part.name}'`)
      }
      kinds[part.kind][part.name] = part.body
    }
    return new Definitions(fromObject(kinds))
  }

  /** Canonical form (spec 01 §6), a copy. All four kinds are there, possibly empty. */
  toObject(): DefinitionsObject {
    return structuredClone(this.#loaded.definitions)
  }

  toDict(): DefinitionsObject {
    return this.toObject()
  }

  /** Writes one file per definition below `dir`, making it if needed. Other files there are left alone. */
  async toYaml(dir: string): Promise<void> {
    const definitions = this.#loaded.definitions
    const files = KINDS.flatMap((kind) =>
      Object.entries(definitions[kind]).map(([name, body]) => ({
        kind,
        name,
        text: stringify({ [name]: body }, YAML),
      })),
    )
    await writeDefinitionsDirectory(dir, files)
  }

  /** The check of spec 01 §5: everything that is wrong, or worth a warning, in one run. */
  validate(options: ValidateOptions = {}): ValidationResult {
    return validate(this.#loaded, options)
  }

  /** Like `validate`, but throws `DefinitionError` if there are errors. Returns the result for its warnings. */
  assertValid(options: ValidateOptions = {}): ValidationResult {
    const result = this.validate(options)
    if (!result.valid) throw definitionError(result)
    return result
  }

  /** Where the value at a path of an issue stands (`file:line:column`), if the set came from files. */
  place(path: string): string | null {
    return this.#loaded.place(path)
  }

  /** The three hashes that decide what a change costs (spec 01 §6). */
  get hashes(): DefinitionHashes {
    return hashesOf(this.#loaded.definitions)
  }

  /** Name of the version these definitions make when none is given. */
  get version(): string {
    return versionName(this.#loaded.definitions)
  }
}

function oneError(code: string, path: string, message: string): DefinitionError {
  const issue: Issue = { severity: 'error', code, path, message, place: null }
  return new DefinitionError(message, { details: { errors: [issueText(issue)], issues: [issue] } })
}

/** One named definition. References to other definitions are checked in a whole set only. */
abstract class Named<T> {
  readonly kind: Kind
  readonly name: string
  /** The body as given, without builders. */
  readonly body: unknown

  constructor(kind: Kind, name: string, body: unknown) {
    this.kind = kind
    this.name = name
    this.body = withoutParts(body)
  }

  #load(): Loaded {
    return fromNamed(this.kind, { [this.name]: this.body })
  }

  /** Canonical object form `{name: body}`. */
  toObject(): Record<string, T> {
    return this.#load().definitions[this.kind] as Record<string, T>
  }

  /** The object form as YAML text, as it stands in a file of its kind. */
  toYaml(): string {
    return stringify(this.toObject(), YAML)
  }

  validate(options: ValidateOptions = {}): ValidationResult {
    return validate(this.#load(), options)
  }
}

/** The one name and body of `{name: body}`; any other number of keys throws `DefinitionError`. */
function single(kind: Kind, value: unknown): [string, unknown] {
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
  if (entries.length !== 1) throw definitionError(validate(fromNamed(kind, value)))
  return entries[0]!
}

/** An entity type (spec 01 §2). */
export class Entity extends Named<EntityDef> {
  constructor(name: string, body: Buildable<EntityInput>) {
    super('entities', name, body)
  }
  static fromObject(value: Readonly<Record<string, Buildable<EntityInput>>>): Entity {
    return new Entity(...(single('entities', value) as [string, EntityInput]))
  }
  static fromYaml(text: string): Entity {
    return new Entity(...(single('entities', parseYaml(text)) as [string, EntityInput]))
  }
}

/** A source of raw records (spec 01 §3). */
export class Source extends Named<SourceDef> {
  constructor(name: string, body: SourceInput) {
    super('sources', name, body)
  }
  static fromObject(value: Readonly<Record<string, SourceInput>>): Source {
    return new Source(...(single('sources', value) as [string, SourceInput]))
  }
  static fromYaml(text: string): Source {
    return new Source(...(single('sources', parseYaml(text)) as [string, SourceInput]))
  }
}

/** The contract of an event type (spec 01 §4). */
export class Schema extends Named<SchemaDef> {
  constructor(name: string, body: SchemaInput) {
    super('schemas', name, body)
  }
  static fromObject(value: Readonly<Record<string, SchemaInput>>): Schema {
    return new Schema(...(single('schemas', value) as [string, SchemaInput]))
  }
  static fromYaml(text: string): Schema {
    return new Schema(...(single('schemas', parseYaml(text)) as [string, SchemaInput]))
  }
}

/** The check of spec 01 §5; needs no database and never throws. */
export function validateDefinitions(
  definitions: AnyDefinitions | Definitions,
  options: ValidateOptions = {},
): ValidationResult {
  return (definitions instanceof Definitions ? definitions : Definitions.fromObject(definitions)).validate(options)
}

/** Returns its argument, remembered in full detail by the type checker: tables and sources of the engine become typed. */
export function defineDefinitions<const D extends DefinitionsInput>(d: D): D {
  return d
}
