/** Settings of the SDK that hold for the whole process: made by the command line alone, before anything else of it (spec 10 §4.8). */
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker'
import type { Logger } from '../ports/logger.ts'

/** What the SDK has to say goes to the logger, or nowhere; it handles no signals, the command does. */
export function installRuntime(logger?: Logger): void {
  const own = logger?.child('defacto.pipeline')
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
    logger: new DefaultLogger('WARN', ({ level, message }) => {
      // Its details may hold anything; the first line of the message is the SDK's own.
      const text = message.split('\n')[0] ?? ''
      // Three of the four queues have none, on purpose.
      if (text.startsWith('No workflows registered')) return
      if (level === 'ERROR') own?.error(text, { of: 'temporal' })
      else own?.warn(text, { of: 'temporal' })
    }),
  })
}
