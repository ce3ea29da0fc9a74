/** Entities as people name them: by id, or by the value of an identity field such as a mail address. */
import { NotFoundError } from '../errors.ts'
import type { Defacto } from '../index.ts'

/**
 * The id of the entity with this id or identity value. Without a space to look into (`--connect`), what is given is the
 * id. Several entities with the value are a `NotFoundError` that lists them.
 */
export async function entityId(space: Defacto | null, given: string): Promise<string> {
  if (space === null || Object.keys(await space.identity.hints(given)).length > 0) return given
  const types = await withValue(space, given)
  const [only, ...others] = types.keys()
  if (others.length > 0) {
    const list = [...types].map(([id, type]) => `\n  ${id}  ${type}`).join('')
    throw new NotFoundError(`several entities have this identity value; name one by its id:${list}`, {
      details: { entities: [...types].map(([id, type]) => ({ entity_id: id, entity_type: type })) },
    })
  }
  if (only !== undefined) return only
  // Ids of merged entities have no values of their own any more.
  if ((await space.timeline(given)).entityType !== '') return given
  throw new NotFoundError('no entity has this id or identity value')
}

/** Types of the entities with this value by their ids; small letters are tried, too, as many fields keep them alone. */
async function withValue(space: Defacto, value: string): Promise<ReadonlyMap<string, string>> {
  const small = value.trim().toLowerCase()
  const exact = await space.identity.lookupAll(value)
  const found = exact.length > 0 || small === value ? exact : await space.identity.lookupAll(small)
  return new Map(found.map((hint) => [hint.entityId, hint.entityType]))
}
