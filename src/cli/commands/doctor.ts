import { access, constants, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Defacto } from '../../index.ts'
import { REQUEST_STATUSES } from '../../ports/privacy.ts'
import { RUN_ENDED } from '../../ports/runs.ts'
import type { Paint } from '../colour.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { erasureFindings } from '../erase/health.ts'
import { exitCodeOf, reportOf } from '../errors.ts'
import { lettersOf } from '../letters.ts'
import { runFindings } from '../runs/health.ts'
import { bytesText, countText } from '../summary.ts'
import { printable } from '../table-text.ts'
import { packageVersion } from '../version.ts'
import { notWritable } from '../write.ts'

type State = 'ok' | 'warn' | 'error'

interface Finding {
  readonly check: string
  readonly state: State
  readonly message: string
  readonly data?: unknown
}

/** Requests that are neither closed nor refused. */
const OPEN = REQUEST_STATUSES.filter((status) => status !== 'closed' && status !== 'refused')

/** Free space below this is worth a word. */
const LITTLE_SPACE = 200 * 1024 * 1024

export const command: CommandSpec = {
  name: 'doctor',
  summary: 'look at the installation, the database and its locks',
  examples: ['defacto doctor', 'defacto doctor -o json'],
  async run(context) {
    const findings: Finding[] = [nodeVersion()]
    let failure: Error | undefined
    const attempt = async (check: string, look: () => Promise<Finding[]>): Promise<boolean> => {
      try {
        findings.push(...(await look()))
        return true
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error))
        findings.push({
          check,
          state: 'error',
          message: reportOf(error).message,
          data: { code: reportOf(error).code, exit: exitCodeOf(error) },
        })
        return false
      }
    }
    if (await attempt('configuration', () => configuration(context))) {
      await attempt('disk', () => disk(context))
      await attempt('database', () => database(context))
      await attempt('erasures', () => erasures(context))
      await attempt('dead letters', () => deadLetters(context))
    }
    const bad = findings.filter(({ state }) => state === 'error').length
    return {
      data: { healthy: bad === 0, package: packageVersion(), checks: findings },
      rows: findings.map((finding) => ({ ...finding })),
      text: ({ paint }) => findings.map((finding) => findingLine(finding, paint)).join('\n'),
      error: failure,
    }
  },
}

function findingLine({ check, state, message }: Finding, paint: Paint): string {
  const mark = state === 'ok' ? paint.green('ok   ') : state === 'warn' ? paint.yellow('warn ') : paint.red('error')
  return `${mark}  ${check.padEnd(13)}  ${printable(message)}`
}

function nodeVersion(): Finding {
  const major = Number(process.versions.node.split('.')[0])
  const state = major >= 24 ? 'ok' : 'error'
  const data = {
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? null,
    platform: `${process.platform}-${process.arch}`,
  }
  return {
    check: 'node',
    state,
    message: `Node ${data.node}${state === 'ok' ? '' : '; 24 or later is needed'} on ${data.platform}`,
    data,
  }
}

async function configuration(context: Context): Promise<Finding[]> {
  const project = await context.project()
  const file = project.file ?? 'no file, defaults'
  const ignored = project.ignoredVariables
  return [
    {
      check: 'configuration',
      state: 'ok',
      message: `${project.root} (${file})${ignored.length > 0 ? `; ignored variables: ${ignored.join(', ')}` : ''}`,
      data: { project: project.root, file: project.file, profile: project.profile },
    },
  ]
}

async function disk(context: Context): Promise<Finding[]> {
  const { root } = await context.project()
  const folder = join(root, '.defacto')
  const probe = join(folder, `.probe-${process.pid}`)
  // Looking must not leave anything behind: where nothing was written yet, the project folder itself is asked.
  const exists = await access(folder).then(
    () => true,
    () => false,
  )
  try {
    if (exists) await writeFile(probe, 'probe').finally(() => rm(probe, { force: true }))
    else await access(root, constants.W_OK)
  } catch (error) {
    throw notWritable(exists ? folder : root, error)
  }
  const { bavail, bsize } = await statfs(root)
  const free = bavail * bsize
  const state = free < LITTLE_SPACE ? 'warn' : 'ok'
  return [
    {
      check: 'disk',
      state,
      message: `${exists ? folder : root} is writable, ${Math.round(free / 1024 / 1024)} MiB free`,
      data: { folder, writable: true, free_bytes: free },
    },
  ]
}

async function database(context: Context): Promise<Finding[]> {
  const project = await context.project()
  const url = String(project.value('database'))
  const fresh =
    !/^[a-z][a-z0-9+.-]*:/i.test(url) &&
    !(await access(url).then(
      () => true,
      () => false,
    ))
  if (fresh)
    return [
      {
        check: 'database',
        state: 'ok',
        message: `${url} does not exist yet; the first ingest makes it`,
        data: { exists: false },
      },
    ]
  await access(dirname(url.replace(/^sqlite:\/\//, ''))).catch(() => {})
  const defacto = await context.open({ activate: 'never', migrations: 'check' })
  const stats = await defacto.stats()
  const findings: Finding[] = [
    {
      check: 'database',
      state: 'ok',
      message: `${stats.location}, space ${stats.spaceId}, ${stats.events} events`,
      data: {
        location: stats.location,
        space: stats.spaceId,
        namespace: project.value('namespace'),
        events: stats.events,
        entities: stats.entities,
      },
    },
    { check: 'migrations', state: 'ok', message: 'tables are up to date', data: { current: true } },
  ]
  const versions = await defacto.definitions.versions()
  for (const { version, active } of versions) {
    const status = await defacto.buildStatus(version)
    const notes = [
      active ? 'active' : 'not active',
      `cursor ${status.cursor}`,
      `${status.pendingEvents} pending`,
      ...(status.lastBuildTime === null
        ? ['never built']
        : [`last build ${status.lastBuildMode} at ${status.lastBuildTime}`]),
      ...(status.shards === undefined ? [] : [`${status.shards.length} shards, each at ${cursors(status.shards)}`]),
      ...(status.dirty ? ['dirty: a build began and did not finish; the next build continues it'] : []),
    ]
    findings.push({
      check: 'version',
      state: status.dirty ? 'warn' : 'ok',
      message: `${version}: ${notes.join(', ')}`,
      data: {
        version,
        active,
        cursor: status.cursor,
        pending_events: status.pendingEvents,
        dirty: status.dirty,
        last_build_time: status.lastBuildTime,
        last_build_mode: status.lastBuildMode,
        shards: status.shards ?? [],
      },
    })
  }
  if (project.value('coldLedger', 'url') !== undefined) findings.push(await coldTier(defacto))
  const locks = (await defacto.locks()).filter(({ holder }) => holder !== null)
  if (locks.length === 0) findings.push({ check: 'locks', state: 'ok', message: 'nobody holds the space', data: [] })
  for (const lock of locks) findings.push(await lockFinding(defacto, lock))
  findings.push(...(await runFindings(defacto.operations())))
  return findings
}

/** Who has a slot, and whether whoever that is may still write. */
async function lockFinding(
  defacto: Defacto,
  { slot, epoch, holder, acquiredAt, expiresAt, dead }: Awaited<ReturnType<Defacto['locks']>>[number],
): Promise<Finding> {
  const { run: runId = null, attempt = null } = holder ?? {}
  const run = runId === null ? undefined : await defacto.operations().log.runs.get(runId)
  const fenced = run !== undefined && attempt !== null && (run.epoch > attempt || RUN_ENDED.includes(run.status))
  const lapsed = expiresAt !== null && Date.parse(expiresAt) < Date.now()
  const who = `${holder?.purpose} in process ${holder?.pid} on ${holder?.host}${runId === null ? '' : ` for run ${runId}`}`
  const how = dead
    ? `was left by ${who}, which is gone; the next build takes it over`
    : fenced
      ? `is held by ${who}, which is fenced: a later attempt goes on, and nothing is written by this one`
      : lapsed
        ? `is held by ${who}, silent since ${expiresAt}; whoever wants it takes it over`
        : `is held by ${who} since ${acquiredAt}, until ${expiresAt}`
  return {
    check: 'locks',
    state: 'warn',
    message: `slot ${slot} ${how} (epoch ${epoch})`,
    data: { slot, epoch, holder, acquired_at: acquiredAt, expires_at: expiresAt, dead, run_id: runId, fenced, lapsed },
  }
}

async function coldTier(defacto: Defacto): Promise<Finding> {
  const { location, head, flushed, pruned, files, bytes, filled } = await defacto.ledger.tiers.status()
  const notes = [
    location,
    flushed === 0 ? 'nothing archived yet' : `archived up to ${flushed} of ${head}`,
    `removed from the database up to ${pruned}`,
    `${countText(files, 'file')}, ${bytesText(bytes)}`,
    ...(filled === null ? [] : [`being switched on: the next flush goes on at event ${filled}`]),
  ]
  return {
    check: 'cold tier',
    state: 'ok',
    message: notes.join(', '),
    data: { location, head, flushed, pruned, files, bytes, filled },
  }
}

/** `E_ERASURES_LOST`: the database was restored from a backup older than what was erased. */
async function erasures(context: Context): Promise<Finding[]> {
  if (!(await context.hasDatabase())) return []
  const { erasure } = await context.open({ activate: 'never', migrations: 'check' })
  await erasure.assertKnown()
  return erasureFindings(await erasure.list({ status: OPEN }), new Date())
}

async function deadLetters(context: Context): Promise<Finding[]> {
  const letters = await lettersOf(context)
  if (letters === null) return [{ check: 'dead letters', state: 'ok', message: 'kept elsewhere', data: null }]
  const { place } = letters
  let open = 0
  for await (const _entry of letters.read({ status: 'open' })) open += 1
  return [
    {
      check: 'dead letters',
      state: open > 0 ? 'warn' : 'ok',
      message: open === 0 ? 'none open' : `${open} open in ${place}; see them with: defacto dlq list`,
      data: { path: place, open },
    },
  ]
}

function cursors(shards: readonly { readonly cursor: number; readonly dirty: boolean }[]): string {
  return shards.map(({ cursor, dirty }) => `${cursor}${dirty ? ' (dirty)' : ''}`).join(', ')
}
