/** Who a command is about: an entity by its id, or by one of its identity values. */
import type { OptionSpec, Options } from '../command.ts'
import { UsageError } from '../errors.ts'
import { text } from '../options.ts'

export const SUBJECT_OPTIONS: readonly OptionSpec[] = [
  { flags: '--entity <id>', description: 'the entity; an id that was merged away stands for its survivor' },
  { flags: '--hint <type.field=value>', description: 'an identity value instead, e.g. customer.email=ann@x.io' },
]

/** Exactly one of both; `command` is named where it is missing. */
export function subjectOption(options: Options, command: string): { entityId: string } | { hint: string } {
  const entity = text(options, 'entity')
  const hint = text(options, 'hint')
  if (entity !== undefined && hint === undefined) return { entityId: entity }
  if (hint !== undefined && entity === undefined) return { hint }
  throw new UsageError(`${command} takes --entity ID or --hint type.field=value, one of them`)
}
