/** Spans of this command's work, where the configuration names a receiver (spec 10 §9). */
import { otlpOptions, startTelemetry } from '../../telemetry/otlp.ts'
import type { Context } from '../context.ts'
import { remarks } from '../log-target.ts'
import { packageVersion } from '../version.ts'

/** What is left is sent when everything else of the command is closed. */
export async function startTracing(context: Context): Promise<void> {
  const options = otlpOptions((await context.project()).value('telemetry', 'otlp'))
  if (options === null) return
  const telemetry = await startTelemetry(options, packageVersion(), remarks(context.output))
  context.onClose(() => telemetry.close())
}
