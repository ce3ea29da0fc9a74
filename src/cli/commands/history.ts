import type { CommandSpec } from '../command.ts'
import { READ_OPTIONS, readType } from './table.ts'

export const command: CommandSpec = {
  name: 'history',
  summary: 'state history of a type, one row per period',
  arguments: [['<type>', 'entity or relationship type']],
  options: READ_OPTIONS,
  examples: [
    'defacto history customer',
    'defacto history customer --as-of 2024-01-10',
    `defacto history customer --where '{"email": "ana@example.com"}' --order-by valid_from -o json`,
  ],
  run: (context, [type], options) => readType(context, 'history', type as string, options),
}
