import { CheckError } from '../../errors.ts'
import type { Defacto, TierStatus } from '../../index.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { count, flag } from '../options.ts'
import type { Result } from '../output.ts'
import { bytesText, countText, summary } from '../summary.ts'
import { printable } from '../table-text.ts'

const flush: CommandSpec = {
  name: 'flush',
  summary: 'copy new events to the archive; they stay in the database',
  options: [{ flags: '--up-to <sequence>', description: 'no event above this sequence (default: all)' }],
  examples: ['defacto cold flush', 'defacto cold flush --up-to 1000000'],
  async run(context, _args, options) {
    const upTo = count(options, 'upTo')
    const { tiers } = (await openTiered(context)).ledger
    const rows = await withBar(context, 'archiving', (call) => tiers.flush({ ...call, upTo }))
    return moved(await tiers.status(), { flushed_rows: rows }, `archived ${countText(rows, 'event')}`)
  },
}

const prune: CommandSpec = {
  name: 'prune',
  summary: 'remove archived events from the database; they stay readable',
  options: [
    { flags: '--before <sequence>', description: 'events up to this sequence (default: what the retention leaves)' },
    { flags: '--dry-run', description: 'say how many would go, remove nothing' },
  ],
  examples: ['defacto cold prune --dry-run', 'defacto cold prune --before 1000000'],
  async run(context, _args, options) {
    const before = count(options, 'before')
    const dryRun = flag(options, 'dryRun')
    const project = await context.project()
    const retained = ['hotDays', 'hotRows'].some((key) => project.value('coldLedger', 'retention', key) !== undefined)
    const { tiers } = (await openTiered(context)).ledger
    if (before === undefined && !retained) {
      // Without a cold tier, that is what is wrong.
      await tiers.status()
      throw new UsageError(
        'cold prune needs --before, or a bound to use without it: cold_ledger.retention with hot_days or hot_rows',
      )
    }
    const rows = await withBar(context, 'removing', (call) => tiers.prune({ ...call, before, dryRun }))
    const status = await tiers.status()
    if (!dryRun) return moved(status, { pruned_rows: rows }, `removed ${countText(rows, 'event')} from the database`)
    return {
      data: { dry_run: true, pruned_rows: rows, ...statusData(status) },
      text: `${rows} of ${countText(status.hotRows, 'event')} in the database would be removed; they stay in the archive`,
    }
  },
}

const compact: CommandSpec = {
  name: 'compact',
  summary: 'merge small files of the archive',
  examples: ['defacto cold compact'],
  async run(context) {
    const { tiers } = (await openTiered(context)).ledger
    const { before, after } = await tiers.compact({ signal: context.signal })
    const text = before === after ? 'nothing to merge' : `merged ${countText(before, 'file')} into ${after}`
    return { data: { files_before: before, files_after: after }, receipt: true, text }
  },
}

const vacuum: CommandSpec = {
  name: 'vacuum',
  summary: 'remove files that the archive has not used for seven days',
  examples: ['defacto cold vacuum'],
  async run(context) {
    const { tiers } = (await openTiered(context)).ledger
    const { removed, bytes, pending } = await tiers.vacuum({ signal: context.signal })
    const reasons = Map.groupBy(pending, ({ reason }) => reason)
    for (const [reason, files] of reasons)
      context.output.note(`${countText(files.length, 'file')} not removed: ${reason}`)
    return {
      data: { removed, bytes, pending },
      receipt: true,
      text: removed === 0 ? 'nothing to remove' : `removed ${countText(removed, 'file')}, ${bytesText(bytes)}`,
    }
  },
}

const verify: CommandSpec = {
  name: 'verify',
  summary: 'read the whole archive and compare it with its log and the database',
  examples: ['defacto cold verify', 'defacto cold verify -o json'],
  async run(context) {
    const { tiers } = (await openTiered(context)).ledger
    const verified = await withBar(context, 'verify', (call) => tiers.verify(call))
    const { version, files, rows, withoutDigest, problems } = verified
    const foreign = withoutDigest === 0 ? '' : `; ${countText(withoutDigest, 'file')} of other writers without a digest`
    const lines = problems.map(({ path, problem }) => `${path}: ${printable(problem)}`)
    const bad = countText(problems.length, 'problem')
    return {
      data: { version, files, rows, without_digest: withoutDigest, problems },
      rows: problems.map((problem) => ({ ...problem })),
      text: ({ paint }) =>
        [
          ...lines,
          problems.length === 0
            ? `${paint.green('the archive is sound')}: ${countText(rows, 'event')} in ${countText(files, 'file')}${foreign}`
            : `${paint.red('the archive is damaged')}: ${bad} in ${countText(files, 'file')}`,
        ].join('\n'),
      error: problems.length === 0 ? undefined : new CheckError(`the archive is damaged: ${bad}`),
    }
  },
}

const status: CommandSpec = {
  name: 'status',
  summary: 'what is in the database, what in the archive',
  examples: ['defacto cold status', 'defacto cold status -o json'],
  async run(context) {
    const found = await (await openTiered(context)).ledger.tiers.status()
    return {
      data: statusData(found),
      text: ({ paint }) =>
        [
          summary(paint, `ledger in two tiers; the archive, ${bytesText(found.bytes)}, is in ${found.location}`, {
            'last event': found.head,
            'archived up to': found.flushed,
            'removed up to': found.pruned,
            'hot rows': found.hotRows,
            'cold rows': found.coldRows,
            'cold files': found.files,
          }),
          ...(found.staged === 0 ? [] : [`  ${countText(found.staged, 'change')} of archived events on the way there`]),
          ...(found.filled === null ? [] : [`  being switched on: the next flush goes on at event ${found.filled}`]),
        ].join('\n'),
    }
  },
}

const restore: CommandSpec = {
  name: 'restore',
  summary: 'take events that only the archive has into a lost or older database',
  examples: ['defacto cold restore', 'defacto build'],
  async run(context) {
    // The database may be gone: here, and here alone, it is made.
    const { rows, head } = await withBar(context, 'restoring', (call) => context.restore({ ...call }))
    return {
      data: { restored_rows: rows, head },
      receipt: true,
      text:
        rows === 0
          ? `nothing to restore: the database has every archived event, the last is ${head}`
          : `took ${countText(rows, 'event')} from the archive, the last is ${head}; a build makes entities of them: defacto build`,
    }
  },
}

const move: CommandSpec = {
  name: 'move',
  summary: 'copy the archive to another place and read it there',
  arguments: [['<url>', 's3://bucket/prefix, file:///folder or a folder; must be empty']],
  examples: ['defacto cold move s3://my-bucket/ledger'],
  async run(context, [to = '']) {
    const defacto = await openTiered(context)
    const done = await withBar(context, 'copying', (call) => defacto.ledger.tiers.move(to, call))
    const { problems } = done.verified
    const project = await context.project()
    const setting = project.shown().find(({ key }) => key === 'cold_ledger.url')
    const there = done.present === 0 ? '' : `, ${done.present} were there already`
    return {
      data: { ...done, verified: undefined, problems, setting: setting?.origin },
      text: [
        `copied ${countText(done.files, 'file')}, ${bytesText(done.bytes)}${there}, and read ${countText(done.verified.rows, 'event')} there`,
        `change the place in ${setting?.origin ?? 'the configuration'}: ${/^[a-z0-9+]+:/i.test(to) ? to : done.to}`,
        `${done.from} stays as it is; remove it when all processes use the new place`,
      ].join('\n'),
      error:
        problems.length === 0
          ? undefined
          : new CheckError(`the copy is damaged: ${countText(problems.length, 'problem')}`),
    }
  },
}

export const command: CommandSpec = {
  name: 'cold',
  summary: 'move events between the database and the archive',
  subcommands: [flush, prune, compact, vacuum, verify, status, restore, move],
}

/** The schedule of the project stays out of it: what happens is what the command says. */
async function openTiered(context: Context): Promise<Defacto> {
  const cold = (await context.project()).options()['coldLedger']
  return context.openToRead(cold === undefined ? {} : { coldLedger: { ...cold, flushEveryMs: undefined } })
}

/** Long work with the progress bar and the signal to stop. */
async function withBar<T>(
  context: Context,
  label: string,
  work: (call: {
    signal: AbortSignal
    onProgress: (progress: { readonly done: number; readonly total: number }) => void
  }) => Promise<T>,
): Promise<T> {
  const bar = await context.progress()
  try {
    const { signal } = context
    return await work({ signal, onProgress: ({ done, total }) => bar.update(done, total, label) })
  } finally {
    bar.stop()
  }
}

function moved(status: TierStatus, counts: Readonly<Record<string, number>>, headline: string): Result {
  return {
    data: { ...counts, ...statusData(status) },
    receipt: true,
    text: ({ paint }) =>
      summary(paint, headline, {
        'archived up to': status.flushed,
        'removed up to': status.pruned,
        'hot rows': status.hotRows,
        'cold rows': status.coldRows,
      }),
  }
}

function statusData(status: TierStatus): Record<string, unknown> {
  return snakeKeys(status)
}
