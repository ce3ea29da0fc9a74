import type { CommandSpec } from '../command.ts'
import { snakeKeys } from '../json.ts'
import { flag, instant, text } from '../options.ts'
import { summary } from '../summary.ts'
import { tableText } from '../table.ts'

export const command: CommandSpec = {
  name: 'tick',
  summary: 'apply time rules that are due',
  options: [
    { flags: '--as-of <time>', description: 'up to this instant (default: now)' },
    { flags: '--version <name>', description: 'version (default: the active one)' },
    { flags: '--dry-run', description: 'show what would change, write nothing' },
  ],
  examples: ['defacto tick', 'defacto tick --as-of 2024-08-01 --dry-run'],
  async run(context, _args, options) {
    const dryRun = flag(options, 'dryRun')
    const asOf = instant(options, 'asOf')
    if (!dryRun && (await context.durable())) {
      const { submitAndWait } = await import('../runs/submit.ts')
      return submitAndWait(context, (orchestrator) =>
        orchestrator.submit(
          'tick',
          { version: text(options, 'version') },
          { key: context.globals.idempotencyKey, asOf },
        ),
      )
    }
    const defacto = await context.open()
    const result = await defacto.tick({ version: text(options, 'version'), asOf, dryRun })
    const { failures, changes, ...counters } = result
    const rows = (changes ?? []).map(({ entityId, entityType, state, validFrom }) => ({
      entity_id: entityId,
      entity_type: entityType,
      state,
      valid_from: String(validFrom),
    }))
    return {
      data: { ...snakeKeys(counters), failures: failures.length, ...(dryRun ? { changes: rows } : {}) },
      receipt: !dryRun,
      text: (output) =>
        summary(output.paint, dryRun ? 'tick (nothing written)' : 'tick', {
          'entities affected': result.entitiesAffected,
          'effects produced': result.effectsProduced,
          transitions: result.transitions,
          failures: failures.length,
        }) + (rows.length > 0 ? `\n\n${tableText(output, rows)}` : ''),
    }
  },
}
