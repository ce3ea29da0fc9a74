import { NotFoundError } from '../../errors.ts'
import type { Timeline, TimelineEntry } from '../../results.ts'
import type { Paint } from '../colour.ts'
import type { CommandSpec } from '../command.ts'
import { entityId } from '../entity.ts'
import { snakeKeys } from '../json.ts'
import { flag } from '../options.ts'
import type { Output } from '../output.ts'
import { countText } from '../summary.ts'
import { printable, screenText } from '../table-text.ts'

export const command: CommandSpec = {
  name: 'timeline',
  summary: 'what happened to one entity',
  arguments: [['<id>', 'entity id, or the value of an identity field']],
  options: [{ flags: '--all', description: 'also events that changed nothing' }],
  examples: ['defacto timeline 0b9f5c1e-7c58-4b7e-9a51-1a6f5d1c9a10', 'defacto timeline ana@example.com --all'],
  async run(context, [given = ''], options) {
    const defacto = await context.openToRead()
    const timeline = await defacto.timeline(await entityId(defacto, given), { all: flag(options, 'all') })
    if (timeline.entityType === '') throw new NotFoundError('no entity has this id or identity value')
    const { entries, ...about } = timeline
    return {
      data: { ...snakeKeys(about), entries: entries.map(snakeKeys) },
      rows: entries.map(snakeKeys),
      text: (output) =>
        [headOf(timeline, output.paint), ...entries.map((entry) => entryText(entry, output))].join('\n'),
      paged: true,
    }
  },
}

function headOf({ entityType, entityId: id, resolvedFrom, entries }: Timeline, paint: Paint): string {
  const from = resolvedFrom === undefined ? '' : ` (merged from ${resolvedFrom})`
  const state = entries.at(-1)?.stateAfter ?? null
  const now = state === null ? '' : `, now ${printable(state)}`
  return `${paint.bold(entityType)} ${id}${paint.dim(`${from}, ${countText(entries.length, 'change')}${now}`)}`
}

/** When and by what, then what changed, a line each. */
function entryText({ timestamp, eventType, eventId, effects }: TimelineEntry, { paint, width }: Output): string {
  const when = width === null ? timestamp : screenText(timestamp)
  // Time rules have no event; their path says which one it was.
  const cause = eventType === '_time_rule' ? `time rule ${eventId}` : eventType === '_merge' ? 'merge' : eventType
  const changes = effects.map((effect) => `\n    ${paintEffect(printable(effect), paint)}`)
  return `${paint.cyan(when)}  ${printable(cause)}${changes.join('')}`
}

function paintEffect(effect: string, paint: Paint): string {
  return /^(Entity created|State: |Merged: |Related: )/.test(effect) ? paint.bold(effect) : effect
}
