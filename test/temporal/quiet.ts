/** The SDK says what goes wrong and nothing else. Import this before a worker is made. */
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker'

Runtime.install({
  shutdownSignals: [],
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
})
