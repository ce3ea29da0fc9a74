import type { CommandSpec } from '../command.ts'
import { SUBJECT_OPTIONS, subjectOption } from '../erase/subject.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { text } from '../options.ts'
import { bytesText, countText } from '../summary.ts'

const exported: CommandSpec = {
  name: 'export',
  summary: "write one person's data of every tier into a folder: JSON with everything, and its parts as CSV",
  options: [...SUBJECT_OPTIONS, { flags: '--to <folder>', description: 'where to; made if it is not there' }],
  examples: [
    'defacto subject export --hint customer.email=ann@x.io --to ./ann',
    'defacto subject export --entity 6f1c… --to ./request-812 -o json',
  ],
  async run(context, _args, options) {
    const asked = subjectOption(options, 'subject export')
    const to = text(options, 'to')
    if (to === undefined) throw new UsageError('subject export needs a folder: --to DIR')
    const defacto = await context.openToRead()
    const subject = await defacto.subject(asked)
    const record = await subject.export(to, { signal: context.signal })
    return {
      data: snakeKeys({ entityId: subject.entityId, entityType: subject.entityType, ...record }),
      text: `wrote ${countText(record.rows, 'row')} about ${subject.entityId} to ${record.path} (${bytesText(record.bytes ?? 0)}); it is in the list of exports`,
    }
  },
}

export const command: CommandSpec = {
  name: 'subject',
  summary: "one person's data, for access and portability requests",
  subcommands: [exported],
}
