/** Looks at everything that a workflow takes and gives (spec 10 §4.7). */
import {
  ApplicationFailure,
  type Next,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptorsFactory,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow'
import { allowedText, forbidden } from './allow-list.ts'

/** The place is made of keys of this package alone, so it may be told. */
function check(value: unknown, where: string): void {
  const found = forbidden(value, where)
  if (found !== null)
    throw ApplicationFailure.nonRetryable(found.replace(/[^\w.:/-]/g, '-').slice(0, 128), 'NotAllowed')
}

class Inbound implements WorkflowInboundCallsInterceptor {
  async execute(input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    check(input.args, 'arguments')
    try {
      const result = await next(input)
      check(result, 'result')
      return result
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error
      if (allowedText(error.message) && allowedText(error.type ?? '') && !error.details?.length && !error.cause)
        throw error
      throw ApplicationFailure.nonRetryable('E_INTERNAL', allowedText(error.type ?? '') ? error.type : 'Error')
    }
  }
}

const outbound: WorkflowOutboundCallsInterceptor = {
  async scheduleActivity(input, next) {
    check(input.args, 'arguments')
    return next(input)
  },
  async scheduleLocalActivity(input, next) {
    check(input.args, 'arguments')
    return next(input)
  },
  async startChildWorkflowExecution(input, next) {
    check(input.options.args ?? [], 'arguments')
    check(input.options.memo, 'memo')
    check(input.options.workflowId, 'id')
    return next(input)
  },
  async continueAsNew(input, next) {
    check(input.args, 'arguments')
    return next(input)
  },
}

export const interceptors: WorkflowInterceptorsFactory = () => ({ inbound: [new Inbound()], outbound: [outbound] })
