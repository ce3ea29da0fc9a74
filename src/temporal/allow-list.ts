/** Looks at everything that clients and activities give to the server (spec 10 §4.7), and refuses what may not be there. */
import type {
  ScheduleClientInterceptor,
  WorkflowClientInterceptor,
  WorkflowSignalInput,
  WorkflowStartInput,
} from '@temporalio/client'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import type { ActivityInboundCallsInterceptor, ActivityInterceptorsFactory } from '@temporalio/worker'
import { allowedText, forbidden } from '../../workflows/allow-list.ts'
import { WORKFLOW } from '../../workflows/constants.ts'
import { ConfigError } from '../errors.ts'

export { forbidden } from '../../workflows/allow-list.ts'

/** Refuses by a `ConfigError` (`E_NOT_ALLOWED`) that says where, never what. */
function check(value: unknown, where: string): void {
  const found = forbidden(value, where)
  if (found === null) return
  throw new ConfigError(
    `${found}: only ids, numbers, instants, enumerations and codes are given to the orchestrator; keep everything else in the database`,
    { code: 'E_NOT_ALLOWED' },
  )
}

interface Given {
  readonly args?: readonly unknown[] | undefined
  readonly memo?: Record<string, unknown> | undefined
  readonly searchAttributes?: unknown
}
function checkStart(workflowId: string, given: Given): void {
  check(workflowId, 'id')
  check(given.args ?? [], 'arguments')
  check(given.memo, 'memo')
  check(given.searchAttributes, 'search attributes')
}

/** What this package starts; workflows of others that share the client are their own matter. */
const own = (workflowType: unknown): boolean => typeof workflowType === 'string' && OWN.has(workflowType)
const OWN: ReadonlySet<string> = new Set([...Object.values(WORKFLOW), 'scheduledPipeline', 'awaitTurn'])

export const clientAllowList: WorkflowClientInterceptor = {
  async startWithDetails(input: WorkflowStartInput, next) {
    const { workflowId, args, memo, searchAttributes } = input.options
    if (own(input.workflowType)) checkStart(workflowId, { args, memo, searchAttributes })
    return next(input)
  },
  async signal(input: WorkflowSignalInput, next) {
    check(input.args, 'arguments')
    return next(input)
  },
}

export const scheduleAllowList: ScheduleClientInterceptor = {
  async create(input, next) {
    const { action, memo, scheduleId, state } = input.options
    check(scheduleId, 'id')
    check(memo, 'memo')
    check(state?.note, 'note')
    if (action.type === 'startWorkflow' && own(action.workflowType)) checkStart(action.workflowId, action)
    return next(input)
  },
}

class Activity implements ActivityInboundCallsInterceptor {
  async execute(
    ...[input, next]: Parameters<NonNullable<ActivityInboundCallsInterceptor['execute']>>
  ): Promise<unknown> {
    refuse(forbidden(input.args, 'arguments'))
    let result: unknown
    try {
      result = await next(input)
    } catch (error) {
      throw cleanFailure(error)
    }
    refuse(forbidden(result, 'result'))
    return result
  }
}

function refuse(found: string | null): void {
  if (found === null) return
  throw ApplicationFailure.nonRetryable(found.replace(/[^\w.:/-]/g, '-').slice(0, 128), 'NotAllowed')
}

/** A failure that says more than code and class is replaced. */
function cleanFailure(error: unknown): Error {
  if (error instanceof CancelledFailure && allowedText(error.message)) return error
  const failure = error instanceof ApplicationFailure ? error : null
  const type = failure?.type && allowedText(failure.type) ? failure.type : 'Error'
  if (failure !== null && allowedText(failure.message) && !failure.details?.length && failure.cause === undefined) {
    if (failure.type === type) return failure
  }
  const clean = ApplicationFailure.create({ message: 'E_INTERNAL', type, nonRetryable: failure?.nonRetryable ?? false })
  clean.stack = ''
  return clean
}

export const activityAllowList: ActivityInterceptorsFactory = () => ({ inbound: new Activity() })
