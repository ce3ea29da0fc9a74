/** What is to be said by now, is said (spec 10 §3.8): after each run and every minute. */
import type { Orchestration } from '../contract.ts'
import { classify } from '../failure.ts'
import { type DeliverOptions, deliver } from './deliver.ts'
import { notifyFreshness } from './freshness.ts'
import { tellDeadline } from './requests.ts'

/** Looks at freshness and sends what is due; takes 20 s at most. Never rejects: the next minute comes. */
export async function pulse(context: Orchestration, options: DeliverOptions = {}): Promise<void> {
  const failed = (what: string) => (error: unknown) => {
    const { code, type } = classify(error)
    context.operations.logger.child('defacto.pipeline').warn(what, { code, class: type })
  }
  await watched(context).catch(failed('freshness could not be looked at'))
  await tellDeadline(context).catch(failed('deadlines of requests could not be looked at'))
  await deliver(context, options).catch(failed('notifications could not be sent'))
}

async function watched(context: Orchestration): Promise<void> {
  const pipelines = [...(await context.project.pipelines()).values()].map(({ pipeline }) => pipeline)
  await notifyFreshness(context, pipelines)
}
