/** Who or what was named and is not there. What was given may be a person's own data, and is not repeated then. */
import { idDetails, isId, named } from '../../core/named-id.ts'
import { NotFoundError } from '../../errors.ts'

export function unknownEntity(entityId: string): NotFoundError {
  const advice = isId(entityId) ? '' : '; what identifies a person is given as a hint, type.field=value (--hint)'
  return new NotFoundError(`there is no ${named('entity', entityId)}${advice}`, {
    details: idDetails('entityId', entityId),
  })
}

export function unknownRequest(requestId: string): NotFoundError {
  return new NotFoundError(`there is no ${named('request', requestId)}; \`defacto erase status --all\` lists them`, {
    details: idDetails('requestId', requestId),
  })
}

export function unknownHold(holdId: string): NotFoundError {
  return new NotFoundError(`there is no ${named('hold', holdId)}; \`defacto hold list\` lists them`, {
    details: idDetails('holdId', holdId),
  })
}
