/** What a server needs before it is used, and what it says about itself (spec 10 §4.7, §7.1: `temporal setup|doctor`). */
import { connectClient, missingSearchAttributes, type TemporalAddress } from './connect.ts'
import { DEPLOYMENT } from './deployment.ts'
import { type Place, PREFIX, QUEUES, type Queue, SEARCH_ATTRIBUTES, taskQueue } from './names.ts'

/** `INDEXED_VALUE_TYPE_KEYWORD` of the server's API. */
const KEYWORD = 2

export interface SetUp {
  readonly created: readonly string[]
  readonly existing: readonly string[]
}

/** Makes the search attributes that are missing; may be repeated. */
export async function setupTemporal(place: TemporalAddress): Promise<SetUp> {
  const { client, close } = await connectClient(place)
  try {
    const created = await missingSearchAttributes(client)
    if (created.length > 0) {
      await client.connection.operatorService.addSearchAttributes({
        namespace: place.namespace,
        searchAttributes: Object.fromEntries(created.map((name) => [name, KEYWORD])),
      })
    }
    return { created, existing: SEARCH_ATTRIBUTES.filter((name) => !created.includes(name)) }
  } finally {
    await close()
  }
}

export interface TemporalHealth {
  readonly address: string
  readonly namespace: string
  readonly serverVersion: string
  /** How long closed histories are kept; 7 to 30 days are advised. */
  readonly retentionDays: number | null
  readonly missingSearchAttributes: readonly string[]
  /** Who asked each queue for work within the last minutes. */
  readonly queues: readonly { readonly queue: Queue; readonly taskQueue: string; readonly pollers: number }[]
  /** Build of workers that gets new runs; null: workers without versions. */
  readonly currentVersion: string | null
}

export async function temporalHealth(
  place: TemporalAddress,
  at: { readonly space: string; readonly prefix?: string; readonly shard?: number | null },
): Promise<TemporalHealth> {
  const { client, close } = await connectClient(place)
  const { namespace } = place
  const { workflowService } = client
  const where: Place = { prefix: at.prefix ?? PREFIX, space: at.space }
  try {
    const { serverVersion } = await workflowService.getSystemInfo({})
    const described = await workflowService.describeNamespace({ namespace })
    const seconds = Number(described.config?.workflowExecutionRetentionTtl?.seconds ?? 0)
    const queues = QUEUES.map(async (queue) => {
      const name = taskQueue(where, queue, at.shard ?? null)
      const { pollers } = await workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name },
        taskQueueType: queue === 'control' ? WORKFLOW_QUEUE : ACTIVITY_QUEUE,
      })
      return { queue, taskQueue: name, pollers: pollers?.length ?? 0 }
    })
    const deployment = await workflowService
      .describeWorkerDeployment({ namespace, deploymentName: DEPLOYMENT })
      .catch(() => null)
    const version = deployment?.workerDeploymentInfo?.routingConfig?.currentDeploymentVersion
    return {
      address: place.address,
      namespace,
      serverVersion: serverVersion ?? 'unknown',
      retentionDays: seconds > 0 ? seconds / 86_400 : null,
      missingSearchAttributes: await missingSearchAttributes(client),
      queues: await Promise.all(queues),
      currentVersion: version?.buildId ?? null,
    }
  } finally {
    await close()
  }
}

/** `TaskQueueType` of the server's API. */
const WORKFLOW_QUEUE = 1
const ACTIVITY_QUEUE = 2

/** Whether somebody asked the queues for work lately; for the hint that nobody works them. */
export async function isWorked(place: TemporalAddress, at: { space: string; prefix?: string }): Promise<boolean> {
  const { queues } = await temporalHealth(place, at)
  return queues.every(({ pollers }) => pollers > 0)
}
