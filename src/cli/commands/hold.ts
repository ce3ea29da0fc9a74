import { userInfo } from 'node:os'
import type { Hold } from '../../index.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { flag, instant, jsonObject, text } from '../options.ts'
import { countText } from '../summary.ts'
import { tableText } from '../table.ts'

const add: CommandSpec = {
  name: 'add',
  summary: 'keep an entity, or entities of a type, from being erased, redacted or expired',
  options: [
    { flags: '--entity <id>', description: 'an entity, with everything merged into it now or later' },
    { flags: '--type <name>', description: 'all entities of a type, or with --where some of them' },
    { flags: '--where <json>', description: 'which ones, by their current state: \'{"plan": "enterprise"}\'' },
    { flags: '--until <time>', description: 'ends by itself then (default: when it is released)' },
    { flags: '--reason <text>', description: 'why; kept for good' },
    { flags: '--by <name>', description: 'who places it (default: the name you are logged in with)' },
  ],
  examples: [
    'defacto hold add --entity 6f1c… --reason "litigation 22/104"',
    'defacto hold add --type customer --where \'{"plan": "enterprise"}\' --until 2027-01-01 --reason audit',
  ],
  async run(context, _args, options) {
    const reason = text(options, 'reason')
    if (reason === undefined) throw new UsageError('hold add needs --reason')
    const entity = text(options, 'entity')
    const type = text(options, 'type')
    if ((entity === undefined) === (type === undefined)) {
      throw new UsageError('hold add takes --entity ID or --type NAME, one of them')
    }
    const where = jsonObject(options, 'where')
    if (where !== undefined && type === undefined) throw new UsageError('--where goes with --type')
    const hold = await (await context.openToRead()).holds.add({
      ...(entity === undefined ? { entityType: type as string } : { entityId: entity }),
      ...(where === undefined ? {} : { filter: where }),
      reason,
      until: instant(options, 'until') ?? null,
      placedBy: text(options, 'by') ?? userInfo().username,
    })
    return { data: rowOf(hold), text: hold.holdId }
  },
}

const list: CommandSpec = {
  name: 'list',
  summary: 'holds in force',
  options: [{ flags: '--all', description: 'ended and released ones, too' }],
  examples: ['defacto hold list', 'defacto hold list --all -o csv'],
  async run(context, _args, options) {
    const rows = (await (await context.openToRead()).holds.list({ all: flag(options, 'all') })).map(rowOf)
    return {
      data: { holds: rows },
      rows,
      paged: true,
      text: (output) => (rows.length === 0 ? 'no holds' : tableText(output, rows, undefined, { keep: ['hold_id'] })),
    }
  },
}

const release: CommandSpec = {
  name: 'release',
  summary: 'end a hold; requests that waited for it go on',
  arguments: [['<hold>', 'its id']],
  examples: ['defacto hold release h_0192…'],
  async run(context, [id = '']) {
    const defacto = await context.openToRead()
    const known = await defacto.holds.list({ all: true })
    // Nobody is asked about what is not there.
    if (known.some(({ holdId }) => holdId === id)) await context.confirm(`Release ${id}?`)
    const { hold, requests } = await defacto.holds.release(id)
    return {
      data: { ...rowOf(hold), requests },
      text: `released ${id}; ${countText(requests.length, 'request')} can go on${requests.length === 0 ? '' : ': defacto erase run'}`,
    }
  },
}

function rowOf(hold: Hold): Record<string, unknown> {
  const { holdId, entityId, entityType, filter, reason, placedBy, placedAt, until, releasedAt } = hold
  return {
    hold_id: holdId,
    entity_id: entityId,
    entity_type: entityType,
    filter,
    reason,
    placed_by: placedBy,
    placed_at: placedAt,
    until,
    released_at: releasedAt,
  }
}

export const command: CommandSpec = {
  name: 'hold',
  summary: 'legal holds: what must not be erased',
  subcommands: [add, list, release],
}
