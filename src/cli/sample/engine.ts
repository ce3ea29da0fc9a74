/** Where the sample's pipeline runs: on a Temporal server with a worker in this process, or, without one, here. */
import { ConfigError, UnreachableError } from '../../errors.ts'
import type { Defacto } from '../../index.ts'
import { Orchestrator, spaceOver } from '../../orchestrator.ts'
import type { Context } from '../context.ts'
import { startWorker } from '../runs/server.ts'
import type { SamplePlace } from './place.ts'
import { sampleProject } from './space.ts'
import type { Stages } from './stages.ts'

export interface SampleEngine {
  readonly orchestrator: Orchestrator
  /** Stops what was started here; the space stays open. */
  stop(): Promise<void>
}

/** What the worker has in hand when the pipeline is over is nothing. */
const GRACE_MS = 2_000

export async function sampleEngine(
  defacto: Defacto,
  place: SamplePlace,
  clock: () => Date,
  context: Context,
  stages: Stages,
): Promise<SampleEngine> {
  const server = await onServer(defacto, place, clock, context, stages)
  if (server !== null) return server
  context.output.note('local engine: not durable; after a crash the next run continues')
  const orchestrator = await Orchestrator.over(spaceOver(sampleProject(place), defacto, 'local', clock))
  return { orchestrator, stop: () => orchestrator.runner.close() }
}

/** Null: in this process, because that is wanted or because there is no server to be had. */
async function onServer(
  defacto: Defacto,
  place: SamplePlace,
  clock: () => Date,
  context: Context,
  stages: Stages,
): Promise<SampleEngine | null> {
  const { globals, output } = context
  if (globals.engine === 'local') return null
  const opened = spaceOver(sampleProject(place), defacto, 'temporal', clock)
  const connect = (): Promise<Orchestrator> =>
    Orchestrator.over(opened, {
      address: globals.temporalAddress,
      folder: place.state,
      say: (line) => output.note(line),
    })
  let orchestrator: Orchestrator
  try {
    orchestrator = await stages.run('temporal', connect, ({ server }) => server?.how ?? '')
  } catch (error) {
    if (globals.requireTemporal || !isNoServer(error)) throw error
    output.warn((error as Error).message)
    return null
  }
  try {
    const worker = await startWorker(orchestrator, { graceMs: GRACE_MS })
    return {
      orchestrator,
      async stop() {
        await worker.stop()
        await orchestrator.release()
      },
    }
  } catch (error) {
    await orchestrator.release()
    throw error
  }
}

/** There is none to be had; one that was named and does not answer is another matter. */
function isNoServer(error: unknown): boolean {
  return (
    (error instanceof UnreachableError && error.code === 'E_TEMPORAL_NOT_FOUND') ||
    (error instanceof ConfigError && error.code === 'E_CONFIG_DRIVER')
  )
}
