import type { CommandSpec } from '../command.ts'
import { BACKFILL_OPS, BACKFILL_OPTIONS, backfillRun } from '../runs/backfill.ts'

export const command: CommandSpec = {
  name: 'backfill',
  summary: 'work through windows of time gone by, as one run',
  arguments: [['<op>', `what to do for each window: ${BACKFILL_OPS.join(', ')}`]],
  options: BACKFILL_OPTIONS,
  examples: [
    'defacto backfill tick --from 2024-01-01 --to 2024-04-01 --window 1d --dry-run',
    'defacto backfill ingest --pipeline nightly --from 2024-03-01 --to 2024-04-01 --window 1d --only missing',
  ],
  run: (context, [op = ''], options) => backfillRun(context, op, options),
}
