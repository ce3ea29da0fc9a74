import { closest } from '../../core/spelling.ts'
import { NotFoundError } from '../../errors.ts'
import { CODES } from '../codes.ts'
import type { CommandSpec } from '../command.ts'

export const command: CommandSpec = {
  name: 'explain',
  summary: 'describe an error or warning code',
  arguments: [['[code]', 'for example E05, W03, E_LOCK_HELD; nothing lists all']],
  examples: ['defacto explain E22', 'defacto explain'],
  async run(_context, [code]) {
    if (code === undefined) {
      const rows = [...CODES].map(([name, { means }]) => ({ code: name, means }))
      const width = Math.max(...rows.map((row) => row.code.length))
      return {
        data: rows,
        text: (output) => rows.map((row) => `${output.paint.bold(row.code.padEnd(width))}  ${row.means}`).join('\n'),
      }
    }
    const name = code.toUpperCase()
    const entry = CODES.get(name)
    if (entry === undefined) {
      const guess = closest(name, CODES.keys())
      throw new NotFoundError(`there is no code '${code}'${guess ? `; did you mean ${guess}?` : ''}`)
    }
    return { data: { code: name, ...entry }, text: ({ paint }) => `${paint.bold(name)}  ${entry.means}\n${entry.help}` }
  },
}
