/** Versions of workers on the server (spec 10 §4.8): a run stays with the code it began with. */
import type { Client } from '@temporalio/client'

export const DEPLOYMENT = 'defacto'
const PATIENCE_MS = 30_000

/** Makes this build the current one where there is none; without one, nobody would get work. */
export async function adoptVersion({ workflowService, options }: Client, buildId: string): Promise<void> {
  const { namespace } = options
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({
        namespace,
        deploymentName: DEPLOYMENT,
      })
      if (workerDeploymentInfo?.routingConfig?.currentDeploymentVersion) return
      await workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName: DEPLOYMENT,
        buildId,
        identity: DEPLOYMENT,
        ignoreMissingTaskQueues: true,
      })
      return
    } catch (error) {
      // The server learns of a deployment by its first polls.
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}
