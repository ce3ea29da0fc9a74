/** Where the value of a property came from (spec 06 §8, 10 §8): a replay of the entity, and the effects of one change. */
import { hash } from 'node:crypto'
import type { ValueSource } from '../core/definition/model.ts'
import type { LedgerEvent } from '../core/event.ts'
import type { EntityView, EvalContext } from '../core/expression/context.ts'
import { equal } from '../core/expression/equality.ts'
import { compareTime, type Instant } from '../core/instant.ts'
import { pathReader } from '../core/program/entity.ts'
import { getOwn } from '../core/raw-path.ts'
import type { Change, Snapshot } from '../core/snapshot.ts'
import { didYouMean } from '../core/spelling.ts'
import { type Step, stepsOf } from '../core/trace.ts'
import type { Value } from '../core/value.ts'
import { mappingOf, readsOf, sourceOf, UNMAPPED } from '../core/value-origin.ts'
import { NotFoundError } from '../errors.ts'
import type { ExplainedInput, ExplainedOrigin, Explanation } from '../results.ts'
import type { Edition, Engine } from './engine.ts'
import { lookupValue } from './privacy/lookup.ts'
import { plainValue } from './tick.ts'
import { type Replayed, replayEntity } from './timeline.ts'

/**
 * What gave `property` (or `state`) the value it had at `asOf`, by the version's definitions and the events it has built.
 * `NotFoundError` for an unknown entity or property.
 */
export async function explainProperty(
  engine: Engine,
  edition: Edition,
  given: { entityId: string; property: string; asOf: Instant },
): Promise<Explanation> {
  const entityId = await engine.store.identity.survivorOf(given.entityId)
  const replayed = await replayEntity(engine, edition, entityId)
  if (replayed === undefined) throw await unknownEntity(engine, edition, given.entityId)
  const property = propertyName(replayed, given.property)
  const story = new Story(edition, replayed, property, given.asOf)
  const { cause } = story.change ?? {}
  const row = cause?.kind === 'event' ? await engine.store.ledger.event({ sequence: cause.sequence }) : undefined
  return {
    ...story.tell(row === undefined ? null : hash('sha256', row.raw)),
    ...(entityId === given.entityId ? {} : { resolvedFrom: given.entityId }),
  }
}

/** People have a mail address or a number at hand, not the id. */
async function unknownEntity(engine: Engine, { version }: Edition, id: string): Promise<NotFoundError> {
  const found = await lookupValue(engine, id)
  const ids = [...new Set(found.map(({ entityId }) => entityId))].filter((other) => other !== id)
  const way = ids.length > 0 ? `; it is an identity value of ${ids.join(', ')}: use the id` : ''
  return new NotFoundError(`version '${version}' has built no entity with this id${way}`, {
    details: { entityId: id, version, ids },
  })
}

/** `state`, also by the name of its column, or a declared property. */
function propertyName({ compiled, entityType }: Replayed, name: string): string {
  const names = compiled.properties.map((property) => property.name)
  if (names.includes(name) || name === 'state') return name
  if (name === `${entityType}_state`) return 'state'
  const all = ['state', ...names]
  throw new NotFoundError(
    `entity type '${entityType}' has no property '${name}'${didYouMean(name, all)}; there are: ${all.join(', ')}`,
    { details: { entityType, property: name, properties: all } },
  )
}

/** One property of one entity over time, seen from one instant. */
class Story {
  readonly #edition: Edition
  readonly #replayed: Replayed
  readonly #name: string
  readonly #asOf: Instant
  readonly #changes: readonly Change[]
  /** The last change up to the instant, −1 if there is none, and the one that gave the value it has there. */
  readonly #last: number
  readonly #first: number

  constructor(edition: Edition, replayed: Replayed, name: string, asOf: Instant) {
    this.#edition = edition
    this.#replayed = replayed
    this.#name = name
    this.#asOf = asOf
    this.#changes = replayed.result.changes
    this.#last = this.#changes.findLastIndex(({ snapshot }) => compareTime(snapshot.validFrom, asOf) <= 0)
    let first = this.#last
    while (first > 0 && equal(this.#at(first - 1), this.#at(first))) first--
    this.#first = first
  }

  /** The change that gave the value. */
  get change(): Change | undefined {
    return this.#changes[this.#first]
  }

  tell(rawDigest: string | null): Explanation {
    const { version, program } = this.#edition
    const { entityId, entityType } = this.#replayed
    const { change } = this
    const next = this.#changes.slice(this.#last + 1).find(({ snapshot }) => !equal(this.#of(snapshot), this.#value))
    const source = change === undefined ? NOT_CREATED : this.#source(change)
    return {
      entityId,
      entityType,
      property: this.#name,
      version,
      definitionHash: program.hashes.definitionHash,
      asOf: this.#asOf.toString(),
      value: plainValue(this.#value),
      before: this.#first > 0 ? plainValue(this.#at(this.#first - 1)) : null,
      validFrom: change?.snapshot.validFrom.toString() ?? null,
      validTo: (change === undefined ? this.#changes[0] : next)?.snapshot.validFrom.toString() ?? null,
      origin: source.origin,
      summary: this.#summary(source),
      cause: change === undefined ? null : this.#cause(change, rawDigest),
      path: source.path === null ? null : `${entityType}.${source.path}`,
      definition: structuredClone(source.definition),
      inputs: source.inputs,
    }
  }

  get #value(): Value {
    return this.#last < 0 ? null : this.#at(this.#last)
  }

  #at(index: number): Value {
    return this.#of((this.#changes[index] as Change).snapshot)
  }

  #of(snapshot: Snapshot): Value {
    return this.#name === 'state' ? snapshot.state : getOwn(snapshot.properties, this.#name)
  }

  #event({ cause }: Change): LedgerEvent | null {
    if (cause.kind !== 'event') return null
    return this.#replayed.events.find(({ sequence }) => sequence === cause.sequence) ?? null
  }

  #cause(change: Change, rawDigest: string | null): Explanation['cause'] {
    const { cause, snapshot } = change
    const event = this.#event(change)
    if (cause.kind === 'rule') {
      return { kind: 'time_rule', rule: cause.rule, timestamp: snapshot.validFrom.toString() }
    }
    const { sequence, eventId, eventType } = cause
    const timestamp = snapshot.validFrom.toString()
    return { kind: 'event', sequence, eventId, eventType, timestamp, source: event?.source ?? '', rawDigest }
  }

  /** What in the definitions gave the value. */
  #source(change: Change): Source {
    const entity = this.#replayed.compiled.definition
    const declared = this.#name === 'state' ? null : getOwn(entity.properties ?? {}, this.#name)
    const gone = this.#value === null
    const origin = gone ? (this.#first > 0 ? 'cleared' : 'never_set') : null
    if (declared?.compute !== undefined) {
      const path = `properties.${this.#name}.compute`
      const inputs = this.#inputs({ compute: declared.compute }, null, {
        ...change.snapshot,
        id: change.snapshot.entityId,
      })
      return { origin: origin ?? 'computed', path, definition: declared.compute, inputs }
    }
    const event = this.#event(change)
    const { compiled, options } = this.#replayed
    const steps = stepsOf(compiled, this.#changes, this.#first, event, options)
    const step = steps.findLast((one) => writes(one, this.#name))
    if (step === undefined) {
      if (gone) return { origin: 'never_set', path: null, definition: null, inputs: [] }
      const path = `properties.${this.#name}.default`
      return { origin: 'default', path, definition: declared?.default ?? null, inputs: [] }
    }
    const kind = change.cause.kind === 'event' ? 'event' : 'time_rule'
    return {
      origin: origin ?? kind,
      path: step.path,
      definition: step.definition,
      inputs: this.#inputs(sourceOf(step.definition), event, step.before),
    }
  }

  #inputs(source: ValueSource, event: LedgerEvent | null, entity: EntityView | null): ExplainedInput[] {
    const context: EvalContext = { raw: null, event, entity, value: null, now: this.#asOf }
    return readsOf(source).map(({ root, path }) => ({
      read: [root, ...path].join('.'),
      value: plainValue(pathReader(root, path)(context)),
      ...(root === 'event' && event !== null
        ? mappingOf(this.#edition.program.definitions, event, path[0] as string)
        : UNMAPPED),
    }))
  }

  #summary({ origin, path }: Source): string {
    const { entityType } = this.#replayed
    const { change } = this
    if (change === undefined) return `${this.#name}: the entity did not exist yet`
    const { cause, snapshot } = change
    const what =
      cause.kind === 'event' ? `event ${cause.eventType} (sequence ${cause.sequence})` : `time rule ${cause.rule}`
    const at = snapshot.validFrom.toString()
    const place = path === null ? '' : ` through ${entityType}.${path}`
    switch (origin) {
      case 'never_set':
        return `${this.#name}: nothing has set it since ${what} created the entity at ${at}`
      case 'default':
        return `${this.#name}: the default it has had since ${what} created the entity at ${at}`
      case 'cleared':
        return `${this.#name}: cleared by ${what} at ${at}${place}`
      case 'computed':
        return `${this.#name}: computed after ${what} at ${at}${place}`
      default:
        return `${this.#name}: set by ${what} at ${at}${place}`
    }
  }
}

interface Source {
  readonly origin: ExplainedOrigin
  /** Below the entity. */
  readonly path: string | null
  readonly definition: unknown
  readonly inputs: readonly ExplainedInput[]
}
const NOT_CREATED: Source = { origin: 'not_created', path: null, definition: null, inputs: [] }

function writes({ effect }: Step, name: string): boolean {
  if (name === 'state') return effect.kind === 'create' || effect.kind === 'transition'
  return (effect.kind === 'set' || effect.kind === 'increment') && effect.property.name === name
}
