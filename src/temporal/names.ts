/** Ids, queues and attributes on the server (spec 10 §4.2, §4.3, §4.7). All of a space begin with `<prefix>/<space>/`. */
import { WORKFLOW } from '../../workflows/constants.ts'
import { ConfigError } from '../errors.ts'
import type { StepRef } from '../orchestration/contract.ts'

export const PREFIX = 'defacto'
export const QUEUES = ['control', 'io', 'state', 'cold'] as const
export type Queue = (typeof QUEUES)[number]
/** Work at once of each; in sum below the connections of a database pool. */
export const SLOTS: Readonly<Record<Queue, number>> = { control: 20, io: 8, state: 1, cold: 1 }

export const SEARCH_ATTRIBUTES = [
  'DefactoSpace',
  'DefactoOp',
  'DefactoPipeline',
  'DefactoRunId',
  'DefactoVersion',
] as const

/** Where a space is on a server. */
export interface Place {
  readonly prefix: string
  readonly space: string
}

export function checkPrefix(prefix: string): string {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(prefix)) return prefix
  throw new ConfigError("temporal.prefix has up to 32 small letters, digits and '-', and begins with a letter")
}

export const workflowId = ({ prefix, space }: Place, below: string): string => `${prefix}/${space}/${below}`

export function taskQueue({ prefix, space }: Place, queue: Queue, shard: number | null = null): string {
  return `${prefix}-${space}-${queue}${queue === 'state' && shard !== null ? `-s${shard}` : ''}`
}

export const scheduleId = (place: Place, pipeline: string): string => workflowId(place, pipeline)

export const workflowType = (ref: StepRef): string => WORKFLOW[ref.op]

/** Plain on the server by nature: ids and names alone. */
export function searchAttributes({ space }: Place, { runId, op, workflowId: id }: StepRef): Record<string, string[]> {
  const pipeline = /^(?:pipeline|ingest)\/([a-z][a-z0-9_-]*)(?:\/|$)/.exec(id)?.[1]
  return {
    DefactoSpace: [space],
    DefactoOp: [op],
    DefactoRunId: [runId],
    ...(pipeline === undefined || pipeline === 'inbox' ? {} : { DefactoPipeline: [pipeline] }),
  }
}
