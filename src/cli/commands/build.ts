import type { BuildProgress, BuildResult } from '../../results.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { count, flag, instant, text } from '../options.ts'
import type { Result } from '../output.ts'
import { seconds, summary } from '../summary.ts'

export const command: CommandSpec = {
  name: 'build',
  summary: 'bring entity state up to date',
  options: [
    { flags: '--version <name>', description: 'version to build (default: the active one)' },
    { flags: '--full', description: 'replay all events' },
    { flags: '--from-raw', description: 'normalize again from the raw records first' },
    { flags: '--as-of <time>', description: 'processing time of time rules (default: now)' },
    { flags: '--until-sequence <n>', description: 'interpret no event above this sequence' },
    { flags: '--dry-run', description: 'only say which mode a build would take' },
  ],
  examples: ['defacto build', 'defacto build --dry-run', 'defacto build --full -o json'],
  async run(context, _args, options) {
    const version = text(options, 'version')
    const choice = {
      full: flag(options, 'full'),
      fromRaw: flag(options, 'fromRaw'),
      asOf: instant(options, 'asOf'),
      untilSequence: count(options, 'untilSequence', 1),
    }
    if (!flag(options, 'dryRun') && (await context.durable())) {
      if (choice.untilSequence !== undefined)
        throw new UsageError('--until-sequence is for builds of this process; leave it out, or add --local')
      const { full, fromRaw, asOf } = choice
      const { submitAndWait } = await import('../runs/submit.ts')
      return submitAndWait(context, (orchestrator) =>
        orchestrator.submit('build', { version, full, fromRaw }, { key: context.globals.idempotencyKey, asOf }),
      )
    }
    const defacto = await context.open()
    if (flag(options, 'dryRun')) {
      const { mode, reason, pendingEvents } = await defacto.nextBuild({ version, ...choice })
      return {
        data: { mode, reason, pending_events: pendingEvents },
        text: `${mode}: ${reason} (${pendingEvents} events pending)`,
      }
    }
    const bar = await context.progress()
    try {
      const onProgress = ({ phase, done, total }: BuildProgress): void => bar.update(done, total, phase)
      return buildOutcome(await defacto.build({ version, ...choice, signal: context.signal, onProgress }))
    } finally {
      bar.stop()
    }
  },
}

/** A build's counters for people and for machines; its failures are in the dead letters. */
export function buildOutcome(result: BuildResult): Result {
  const { failures, timing, ...counters } = result
  return {
    data: { ...snakeKeys(counters), timing },
    receipt: true,
    text: ({ paint }) =>
      summary(paint, `${result.mode} build in ${seconds(result.durationMs)}`, {
        'events processed': result.eventsProcessed,
        'effects produced': result.effectsProduced,
        'entities created': result.entitiesCreated,
        'entities updated': result.entitiesUpdated,
        'merges detected': result.mergesDetected,
        'late arrivals': result.lateArrivals,
        'events unresolved': result.eventsUnresolved,
        'events failed': result.eventsFailed,
      }) + (failures.length > 0 ? `\n${paint.yellow('see the failures with: defacto dlq list')}` : ''),
  }
}
