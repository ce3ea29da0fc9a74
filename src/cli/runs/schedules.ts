/** What the commands about schedules look at: the definitions and what was applied of them. */
import { type Instant, instantFromDate } from '../../core/instant.ts'
import type { ProjectAccess } from '../../orchestration/contract.ts'
import { projectAccess } from '../../project-access.ts'
import type { Paint } from '../colour.ts'
import type { Context } from '../context.ts'
import { type Looked, looking } from './connect.ts'

export type Pipelines = Awaited<ReturnType<ProjectAccess['pipelines']>>

export interface Schedules extends Looked {
  readonly pipelines: Pipelines
}

export async function lookingAtSchedules(context: Context): Promise<Schedules> {
  return { ...(await looking(context)), pipelines: await projectAccess(await context.project()).pipelines() }
}

/** Without a database. */
export async function pipelinesNow(context: Context): Promise<{ pipelines: Pipelines; now: Instant }> {
  const pipelines = await projectAccess(await context.project()).pipelines()
  return { pipelines, now: instantFromDate(new Date()) as Instant }
}

export interface Changes {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly unchanged: readonly string[]
}

export function changesText(changes: Changes, prune: boolean, paint: Paint): string {
  const lines = [
    ...changes.added.map((name) => paint.green(`+ ${name}`)),
    ...changes.changed.map((name) => paint.yellow(`~ ${name}`)),
    ...changes.removed.map((name) =>
      prune ? paint.red(`- ${name}`) : paint.dim(`  ${name} is no longer defined; --prune removes it`),
    ),
    ...changes.unchanged.map((name) => paint.dim(`= ${name}`)),
  ]
  return lines.length === 0 ? 'no pipeline has a schedule' : lines.join('\n')
}
