import { named } from '../../core/named-id.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { text } from '../options.ts'
import { summary } from '../summary.ts'

const NOTHING = {
  'already-merged': 'nothing to do: they are one entity already',
  'unknown-source': 'nothing to do: there is no such entity to merge, or it was erased',
} as const

export const command: CommandSpec = {
  name: 'merge',
  summary: 'make two entities one, for good; every rebuild merges them again',
  arguments: [
    ['<from>', 'id of the entity that is merged away'],
    ['<into>', 'id of the entity that stays'],
  ],
  options: [{ flags: '--reason <text>', description: 'why; kept with the merge' }],
  examples: ['defacto merge 0192f1… 0192aa… --reason "same person, ticket 812"'],
  async run(context, [from = '', into = ''], options) {
    const reason = text(options, 'reason')
    if (reason === undefined) throw new UsageError('merge needs --reason')
    await context.confirm(`Merge ${named('entity', from)} into ${named('entity', into)}, for good?`)
    const { failures, ...result } = await (await context.open()).merge(from, into, { reason, signal: context.signal })
    const { noop } = result
    return {
      data: { ...snakeKeys(result), failures: failures.length },
      receipt: true,
      text: (output) =>
        noop === undefined
          ? summary(output.paint, `merged ${result.fromEntityId} into ${result.intoEntityId}`, {
              'events reassigned': result.eventsReassigned,
              'entities rebuilt': result.entitiesRebuilt,
              failures: failures.length,
            })
          : NOTHING[noop],
    }
  },
}
