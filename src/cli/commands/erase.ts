import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { CheckError } from '../../errors.ts'
import type { Defacto } from '../../index.ts'
import type { CommandSpec, OptionSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { advancedRow, requestRow, requestsText, viewText, waitingText } from '../erase/show.ts'
import { SUBJECT_OPTIONS, subjectOption } from '../erase/subject.ts'
import { UsageError } from '../errors.ts'
import { snakeKeys } from '../json.ts'
import { flag, text } from '../options.ts'
import type { Result } from '../output.ts'
import { bytesText, countText, summary } from '../summary.ts'
import { tableText } from '../table.ts'
import { writeFiles } from '../write.ts'

const BY: OptionSpec = { flags: '--by <name>', description: 'who decides (default: the name you are logged in with)' }
const REASON: OptionSpec = { flags: '--reason <text>', description: 'why; blanked when the request is closed' }
/** Shared with `redact`. */
export const REQUEST_OPTIONS: readonly OptionSpec[] = [
  ...SUBJECT_OPTIONS,
  REASON,
  BY,
  { flags: '--purge-exports', description: 'exports of its type lose its rows, too' },
  { flags: '--later', description: 'only ask for it; `erase run`, a pipeline or a worker does it' },
]

const plan: CommandSpec = {
  name: 'plan',
  summary: 'what an erasure would change, store by store; changes nothing',
  options: SUBJECT_OPTIONS,
  examples: ['defacto erase plan --hint customer.email=ann@x.io', 'defacto erase plan --entity 6f1c… -o json'],
  async run(context, _args, options) {
    const subject = subjectOption(options, 'erase plan')
    const found = await (await context.openToRead()).erasure.plan(subject)
    const rows = Object.entries(found.stores).map(([store, items]) => ({ store, items }))
    return {
      // Names of stores are keys as well, and some are the user's.
      data: { ...snakeKeys(found), exports: found.exports.map(snakeKeys) },
      rows,
      text: (output) =>
        [
          summary(output.paint, `erasing ${found.entityId} would concern`, {
            entities: found.entities.length,
            'events deleted': found.eventsDeleted,
            'events scrubbed': found.eventsScrubbed,
            'other entities rebuilt': found.others.length,
            'events not interpreted yet': found.uninterpreted,
          }),
          '',
          tableText(output, rows),
          ...found.holds.map((hold) => output.paint.yellow(`held by ${hold}: release it first`)),
          ...(found.approvalRequired
            ? [output.paint.yellow('somebody else than who requests it has to approve it')]
            : []),
          ...found.exports.map(({ path }) => output.paint.dim(`exported to ${path}`)),
        ].join('\n'),
    }
  },
}

const request: CommandSpec = {
  name: 'request',
  summary: 'ask for an erasure; done at once where nobody has to approve it',
  options: [
    ...REQUEST_OPTIONS,
    { flags: '--suppress', description: 'refuse the erased events when they are sent again' },
  ],
  examples: [
    'defacto erase request --hint customer.email=ann@x.io --reason "ticket 812"',
    'defacto erase request --entity 6f1c… --suppress --purge-exports --yes',
  ],
  run: (context, _args, options) => requested(context, 'erase', options),
}

/** Asks for it, and goes as far as it gets. */
export async function requested(context: Context, kind: 'erase' | 'redact', options: Options): Promise<Result> {
  const subject = subjectOption(options, kind === 'erase' ? 'erase request' : 'redact')
  const defacto = await context.openToRead()
  const { entityId, eventsDeleted, eventsScrubbed } = await defacto.erasure.plan(subject)
  const what = kind === 'erase' ? 'Erase' : 'Redact'
  await context.confirm(`${what} ${entityId}, with ${countText(eventsDeleted + eventsScrubbed, 'event')}?`)
  const { request: made, receipt } = await defacto.erasure.request({
    entityId,
    kind,
    reason: text(options, 'reason') ?? null,
    requestedBy: text(options, 'by') ?? userInfo().username,
    options: {
      suppress: flag(options, 'suppress'),
      purgeExports: flag(options, 'purgeExports'),
      sticky: !flag(options, 'once'),
    },
  })
  const { requestId } = made
  const goOn = made.status !== 'requested' && !flag(options, 'later')
  // The receipt is told once: here, whatever becomes of the request.
  const error = goOn ? await failureOf(() => defacto.erasure.run([requestId], callOf(context))) : undefined
  const view = error === undefined ? await defacto.erasure.status(requestId) : { ...made, certificateId: null }
  return {
    data: { ...requestRow(view), receipt, certificate_id: view.certificateId },
    error,
    text: ({ paint }) =>
      [
        `${paint.bold(requestId)}  ${view.status}${waitsFor(view.waitingFor)}`,
        receipt === null
          ? 'this entity has an open request already; its receipt was told when it was made'
          : `receipt ${receipt}\n${paint.dim('Keep it: it alone shows whose certificate it is, and is not told again.')}`,
        ...(view.certificateId === null ? [] : [`certificate ${view.certificateId}`]),
      ].join('\n'),
  }
}

async function failureOf(work: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

const waitsFor = (waitingFor: readonly string[]): string => {
  const waiting = waitingText(waitingFor)
  return waiting === null ? '' : `, waits for ${waiting}`
}

const approve: CommandSpec = {
  name: 'approve',
  summary: 'agree to a request that somebody else has made',
  arguments: [['<request>', 'its id']],
  options: [BY, { flags: '--later', description: 'only agree; something else does it' }],
  examples: ['defacto erase approve q_0192… --by dpo'],
  async run(context, [id = ''], options) {
    const defacto = await context.openToRead()
    // Who is asked to confirm it knows that it is there.
    await defacto.erasure.status(id)
    await context.confirm(`Approve ${id}?`)
    await defacto.erasure.approve(id, { by: text(options, 'by') ?? userInfo().username })
    if (!flag(options, 'later')) await defacto.erasure.run([id], callOf(context))
    return shown(defacto, id)
  },
}

const refuse: CommandSpec = {
  name: 'refuse',
  summary: 'turn a request down, before anything was erased',
  arguments: [['<request>', 'its id']],
  options: [BY, REASON],
  examples: ['defacto erase refuse q_0192… --reason "contract is running"'],
  async run(context, [id = ''], options) {
    const reason = text(options, 'reason')
    if (reason === undefined) throw new UsageError('erase refuse needs --reason')
    const defacto = await context.openToRead()
    await defacto.erasure.refuse(id, { by: text(options, 'by') ?? userInfo().username, reason })
    return shown(defacto, id)
  },
}

const run: CommandSpec = {
  name: 'run',
  summary: 'go on with requests that wait for nobody: approved, interrupted, or a store was not to be reached',
  arguments: [['[requests...]', 'only these (default: all that are due)']],
  examples: ['defacto erase run', 'defacto erase run q_0192…'],
  async run(context, ids) {
    const defacto = await context.openToRead()
    const reached = await defacto.erasure.run(ids.length === 0 ? undefined : [...new Set(ids)], callOf(context))
    const rows = reached.map(advancedRow)
    const open = reached.filter(({ done }) => !done).length
    const closed = reached.filter(({ status }) => status === 'closed').length
    const refused = rows.length - open - closed
    return {
      data: { requests: rows },
      rows,
      text: (output) =>
        rows.length === 0
          ? 'nothing is due'
          : `${requestsText(output, rows)}\n\n${countText(closed, 'request')} closed, ${open} open${refused === 0 ? '' : `, ${refused} refused`}`,
    }
  },
}

const status: CommandSpec = {
  name: 'status',
  summary: 'requests that are open, or one with its stores',
  arguments: [['[request]', 'its id (default: all open ones)']],
  options: [{ flags: '--all', description: 'closed and refused ones, too' }],
  examples: ['defacto erase status', 'defacto erase status q_0192… -o json'],
  async run(context, [id], options) {
    const defacto = await context.openToRead()
    if (id !== undefined) return shown(defacto, id)
    const all = await defacto.erasure.list()
    const wanted = all.filter((one) => flag(options, 'all') || !['closed', 'refused'].includes(one.status))
    const rows = wanted.map(requestRow)
    return {
      data: { requests: rows },
      rows,
      paged: true,
      text: (output) => (rows.length === 0 ? 'no open requests' : requestsText(output, rows)),
    }
  },
}

async function shown(defacto: Defacto, id: string): Promise<Result> {
  const view = await defacto.erasure.status(id)
  return { data: snakeKeys({ ...view }), text: (output) => viewText(output, view) }
}

const certificate: CommandSpec = {
  name: 'certificate',
  summary: 'the signed proof of a closed request',
  arguments: [['<request>', 'its id']],
  options: [{ flags: '--out <file>', description: 'write it there (default: print it)' }],
  examples: ['defacto erase certificate q_0192… --out certificate.json'],
  async run(context, [id = ''], options) {
    const found = await (await context.openToRead()).erasure.certificate(id)
    const out = text(options, 'out')
    const body = `${JSON.stringify(found, null, 2)}\n`
    if (out === undefined) return { data: found, text: body.trimEnd() }
    await writeFiles(context.cwd, [[out, body]])
    return { data: { file: resolve(context.cwd, out) }, receipt: true, text: `wrote ${out}` }
  },
}

const verify: CommandSpec = {
  name: 'verify',
  summary: 'check a certificate: content, signature and chain, with neither database nor network',
  arguments: [['<file>', 'the certificate']],
  options: [
    { flags: '--public-key <file>', description: 'PEM of the key it must be signed with' },
    { flags: '--chain <folder>', description: 'all certificates of the space: is it one of them, is none missing' },
    { flags: '--receipt <text>', description: 'with --entity: is it about this entity' },
    { flags: '--entity <id>', description: 'id of the entity that was erased' },
  ],
  examples: ['defacto erase verify certificate.json --public-key signing-key.pub.pem --chain .defacto/certificates'],
  async run(context, [file = ''], options) {
    const publicKey = text(options, 'publicKey')
    if (publicKey === undefined)
      throw new UsageError('erase verify needs --public-key: the PEM file of the signing key')
    const { checkCertificate } = await import('../erase/check.ts')
    const found = await checkCertificate({
      cwd: context.cwd,
      file,
      publicKey,
      chain: text(options, 'chain'),
      receipt: text(options, 'receipt'),
      entity: text(options, 'entity'),
    })
    const { problems, claims } = found
    return {
      data: { valid: problems.length === 0, problems, claims },
      text: ({ paint }) =>
        problems.length === 0
          ? summary(paint, paint.green(`${file} is genuine`), claims)
          : [paint.red(`${file} proves nothing`), ...problems.map((problem) => `  ${problem}`)].join('\n'),
      error: problems.length === 0 ? undefined : new CheckError(`${file}: ${countText(problems.length, 'problem')}`),
    }
  },
}

const scrub: CommandSpec = {
  name: 'scrub',
  summary: 'rewrite the files of the database, so that nothing of erased rows is left in them',
  examples: ['defacto erase scrub --yes'],
  async run(context) {
    const defacto = await context.openToRead()
    await context.confirm(
      'Rewrite all files of the database? Nobody can build meanwhile, and it needs their size again.',
    )
    const { method, bytesBefore, bytesAfter, left } = await defacto.erasure.scrub({ signal: context.signal })
    for (const reason of left) context.output.note(reason)
    return {
      data: { method, bytes_before: bytesBefore, bytes_after: bytesAfter, left },
      receipt: true,
      text: `rewrote the database: ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}`,
    }
  },
}

const accept: CommandSpec = {
  name: 'accept',
  summary: 'go on with a database from a backup that does not know of these erasures any more',
  arguments: [['<certificates...>', 'their ids, as `defacto doctor` names them']],
  options: [BY, REASON],
  examples: ['defacto erase accept c_0192… --reason "requested again as q_0193…"'],
  async run(context, ids, options) {
    const reason = text(options, 'reason')
    if (reason === undefined) throw new UsageError('erase accept needs --reason')
    const defacto = await context.openToRead()
    await context.confirm(`Let ${countText(ids.length, 'erasure')} count as dealt with?`)
    const by = text(options, 'by') ?? userInfo().username
    await defacto.erasure.accept({ certificateIds: ids, by, reason })
    return { data: { accepted: ids }, receipt: true, text: `accepted ${countText(ids.length, 'erasure')}` }
  },
}

function callOf({ signal }: Context) {
  return { signal }
}

export const command: CommandSpec = {
  name: 'erase',
  summary: 'erase a person everywhere, with proof',
  subcommands: [plan, request, approve, refuse, run, status, certificate, verify, scrub, accept],
}
