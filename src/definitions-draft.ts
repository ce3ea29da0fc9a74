/** A version in the making (spec 09 §5): steps that either succeed or leave it as it was. */
import { type DefinitionsDiff, diffDefinitions } from './core/definition/diff.ts'
import * as steps from './core/definition/draft.ts'
import type { DefinitionsObject } from './core/definition/model.ts'
import { resultOf, type ValidationResult } from './core/definition/validate.ts'
import { type Buildable, definitionError, withoutParts } from './definition-parts.ts'
import type {
  EffectInput,
  HandlerInput,
  IdentityFieldInput,
  PropertyInput,
  RelationshipInput,
  StateInput,
} from './definition-types.ts'
import type { BuildMode } from './results.ts'

export interface RegisterResult {
  readonly version: string
  /** Against the version that was active. */
  readonly changes: DefinitionsDiff
  /** What building the new version will take. */
  readonly buildMode: BuildMode
  readonly warnings: readonly string[]
}

/** What a draft needs from the space it is made for. */
export interface DraftPorts {
  validate(definitions: DefinitionsObject): ValidationResult
  impact(definitions: DefinitionsObject): Promise<{ buildMode: BuildMode; reason: string }>
  register(definitions: DefinitionsObject): Promise<RegisterResult>
}

/** Every step returns the draft itself, or throws `DefinitionError` and leaves the draft as before. */
export class DefinitionsDraft {
  readonly #base: DefinitionsObject
  readonly #ports: DraftPorts
  #current: DefinitionsObject

  constructor(base: DefinitionsObject, ports: DraftPorts) {
    this.#base = structuredClone(base)
    this.#current = this.#base
    this.#ports = ports
  }

  #apply(result: steps.StepResult): this {
    if ('issues' in result) throw definitionError(resultOf(result.issues))
    this.#current = result.definitions
    return this
  }

  addProperty(entity: string, name: string, property: Buildable<PropertyInput>): this {
    return this.#apply(steps.addProperty(this.#current, entity, name, withoutParts(property)))
  }

  addState(entity: string, name: string, state: Buildable<StateInput> = {}): this {
    return this.#apply(steps.addState(this.#current, entity, name, withoutParts(state)))
  }

  /** A handler of state `from` that ends in a transition to `to`. */
  addTransition(
    entity: string,
    from: string,
    to: string,
    event: string,
    handler: { guard?: string; effects?: readonly Buildable<EffectInput>[] } = {},
  ): this {
    return this.#apply(
      steps.addTransition(this.#current, entity, from, to, event, withoutParts(handler) as { guard?: string }),
    )
  }

  addHandler(entity: string, state: string, event: string, handler: Buildable<HandlerInput>): this {
    return this.#apply(steps.addHandler(this.#current, entity, state, event, withoutParts(handler)))
  }

  addRelationship(entity: string, relationship: Buildable<RelationshipInput>): this {
    return this.#apply(steps.addRelationship(this.#current, entity, withoutParts(relationship)))
  }

  /** Replaces the identity block of the entity. */
  updateIdentity(entity: string, identity: Buildable<Readonly<Record<string, IdentityFieldInput | null>>>): this {
    return this.#apply(steps.updateIdentity(this.#current, entity, withoutParts(identity)))
  }

  removeProperty(entity: string, name: string): this {
    return this.#apply(steps.removeProperty(this.#current, entity, name))
  }

  removeState(entity: string, name: string): this {
    return this.#apply(steps.removeState(this.#current, entity, name))
  }

  /** Canonical form of the draft as it stands, a copy. */
  toObject(): DefinitionsObject {
    return structuredClone(this.#current)
  }

  /** The whole check, as `register` will make it. */
  validate(): ValidationResult {
    return this.#ports.validate(this.toObject())
  }

  /** Against the version the draft is based on. */
  diff(): DefinitionsDiff {
    return diffDefinitions(this.#base, this.#current)
  }

  /** What building the draft would take. */
  impact(): Promise<{ buildMode: BuildMode; reason: string }> {
    return this.#ports.impact(this.toObject())
  }

  /** Makes the draft a version. Rejects with `DefinitionError` if it is invalid. */
  register(): Promise<RegisterResult> {
    return this.#ports.register(this.toObject())
  }
}
