/**
 * What a redaction does to the states of every version (spec 05 §5.4): histories, edges and checkpoints of the person lose
 * their values where they lie, so that states and instants stay as they are. Whoever shares a treated event and shows its
 * fields is rebuilt, or treated in place where the ledger was not normalized for its version.
 */
import { decodeState, encodeState } from '../../core/checkpoint.ts'
import type { PropertyChange, PropertyRow } from '../../core/history.ts'
import { StateTreatment, type TreatedFields, treatedFields } from '../../core/privacy/state.ts'
import type { CompiledEntity } from '../../core/program.ts'
import type { EntityState } from '../../core/snapshot.ts'
import type { Value } from '../../core/value.ts'
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { Checkpoint, Unit } from '../../ports/store.ts'
import type { Edition } from '../engine.ts'
import { compiledEntity } from '../entities.ts'
import { parts } from './parts.ts'
import type { PivotWork } from './pivot.ts'
import { rebuildOthers } from './rebuild-others.ts'
import type { RedactedSet } from './redact-set.ts'

type Properties = Readonly<Record<string, Value>>

export async function treatStates(
  { context, erasure }: PivotWork,
  editions: readonly Edition[],
  set: RedactedSet,
  outer: Unit,
): Promise<{ rows: number; checkpoints: number }> {
  const { engine } = context
  const { builds, history, mapping } = engine.store
  const normalized = await mapping.state(outer)
  const ids = erasure.entities.map(({ id }) => id)
  let rows = 0
  let checkpoints = 0
  for (const edition of editions) {
    const { program, version } = edition
    const unit = { ...outer, version }
    const fields = treatedFields(program, [...set.person.own, ...set.person.related])
    const own = new Treatments(edition, context.digests, fields, { own: true, again: set.again })
    for (const entities of parts(erasure.entities)) {
      rows += await history.treat(unit, program.layout, entities, own.change(entities))
      checkpoints += await own.checkpoints(unit, engine.store.checkpoints, entities)
      // What a full build in the making has of them is what they were.
      await history.remove(unit, program.layout, entities, 'shadow')
    }
    await builds.dropShadows(unit, ids)
    const theirs = new Treatments(edition, context.digests, fields, { own: false, again: true })
    const shown = set.others.filter(({ type }) => theirs.of(type)?.isEmpty === false)
    if (normalized.sourceHash === program.hashes.sourceHash) await rebuildOthers(context, edition, unit, shown)
    else {
      for (const entities of parts(shown)) {
        rows += await history.treat(unit, program.layout, entities, byValue(set.replaced))
        checkpoints += await replaceBodies(unit, engine.store.checkpoints, entities, edition, (state) =>
          replacedValues(state.properties, set.replaced),
        )
      }
    }
    await builds.renew(unit)
  }
  return { rows, checkpoints }
}

/** Treatments by entity type, made when they are needed. */
class Treatments {
  readonly #edition: Edition
  readonly #make: (entity: CompiledEntity) => StateTreatment
  readonly #known = new Map<string, StateTreatment | null>()

  constructor(
    edition: Edition,
    digests: PivotWork['context']['digests'],
    fields: TreatedFields,
    options: { own: boolean; again: boolean },
  ) {
    this.#edition = edition
    this.#make = (entity) => new StateTreatment(entity, fields, digests, options)
  }

  of(type: string): StateTreatment | null {
    let known = this.#known.get(type)
    if (known === undefined) {
      const entity = compiledEntity(this.#edition, type)
      known = entity === undefined ? null : this.#make(entity)
      this.#known.set(type, known)
    }
    return known
  }

  change(entities: readonly FrozenEntity[]): PropertyChange {
    const types = new Map(entities.map(({ id, type }) => [id, type]))
    // An edge is treated by the type of who wrote it.
    return (row, properties) =>
      this.of(row.kind === 'entity' ? row.type : (types.get(row.id) ?? ''))?.row(row, properties) ?? null
  }

  checkpoints(
    unit: Unit,
    port: PivotWork['context']['engine']['store']['checkpoints'],
    entities: readonly FrozenEntity[],
  ): Promise<number> {
    return replaceBodies(unit, port, entities, this.#edition, (state) => {
      const now = state.lastSnapshot ?? state.lastEventTime
      return now === null ? null : (this.of(state.type)?.state(state, now) ?? null)
    })
  }
}

async function replaceBodies(
  unit: Unit,
  port: PivotWork['context']['engine']['store']['checkpoints'],
  entities: readonly FrozenEntity[],
  edition: Edition,
  change: (state: EntityState) => Properties | null,
): Promise<number> {
  const stored = await port.load(
    unit,
    edition.version,
    entities.map(({ id }) => id),
  )
  const changed: Checkpoint[] = []
  for (const checkpoint of stored.values()) {
    const entity = compiledEntity(edition, checkpoint.type)
    if (entity === undefined) continue
    const state = decodeState(entity, checkpoint.id, checkpoint.body)
    const properties = state.state === null ? null : change(state)
    if (properties !== null) changed.push({ ...checkpoint, body: encodeState({ ...state, properties }) })
  }
  if (changed.length > 0) await port.save(unit, 'live', changed)
  return changed.length
}

/** Of others, whatever shows a treated value as it was. */
function byValue(replaced: RedactedSet['replaced']): PropertyChange {
  return (_: PropertyRow, properties) => replacedValues(properties, replaced)
}

function replacedValues(properties: Properties, replaced: RedactedSet['replaced']): Properties | null {
  let next: Record<string, Value> | null = null
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || typeof value === 'boolean') continue
    const instead = replaced.get(String(value))
    if (instead === undefined) continue
    next ??= { ...properties }
    next[name] = typeof value === 'string' ? instead : null
  }
  return next
}
