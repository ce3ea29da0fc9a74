import { NotFoundError } from '../../errors.ts'
import type { CommandSpec } from '../command.ts'
import { snakeKeys } from '../json.ts'
import { flag } from '../options.ts'
import { printable } from '../table-text.ts'

export const command: CommandSpec = {
  name: 'timeline',
  summary: 'what happened to one entity',
  arguments: [['<id>', 'entity id, or the value of an identity field']],
  options: [{ flags: '--all', description: 'also events that changed nothing' }],
  examples: ['defacto timeline 0b9f5c1e-7c58-4b7e-9a51-1a6f5d1c9a10', 'defacto timeline ana@example.com --all'],
  async run(context, [id = ''], options) {
    const all = flag(options, 'all')
    const defacto = await context.openToRead()
    let timeline = await defacto.timeline(id, { all })
    if (timeline.entityType === '') {
      // People have the mail address or the number at hand, not the id.
      const found = await defacto.identity.lookupAll(id)
      const ids = [...new Set(found.map(({ entityId }) => entityId))]
      if (ids.length > 1) {
        throw new NotFoundError(`several entities have this identity value: ${ids.join(', ')}; name one`)
      }
      if (ids[0] !== undefined) timeline = await defacto.timeline(ids[0], { all })
    }
    if (timeline.entityType === '') throw new NotFoundError('no entity has this id or identity value')
    const { entries, ...about } = timeline
    return {
      data: { ...snakeKeys(about), entries: entries.map(snakeKeys) },
      rows: entries.map(snakeKeys),
      text: ({ paint }) => {
        const head = `${paint.bold(timeline.entityType)} ${timeline.entityId}`
        const from = timeline.resolvedFrom ? paint.dim(` (merged from ${timeline.resolvedFrom})`) : ''
        const lines = entries.flatMap((entry) => [
          `${paint.cyan(entry.timestamp)}  ${printable(entry.eventType)}`,
          ...entry.effects.map((effect) => `    ${printable(effect)}`),
        ])
        return [head + from, ...lines].join('\n')
      },
    }
  },
}
