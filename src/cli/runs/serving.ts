/** The HTTP API of a command that stays: opened here, ended in order when the command is to stop. */

import type { Orchestrator } from '../../orchestrator.ts'
import { serviceOf } from '../../serve/over.ts'
import type { RunningServer } from '../../serve/server.ts'
import { startServer } from '../../serve/server.ts'
import { Tokens } from '../../serve/tokens.ts'
import type { Context } from '../context.ts'
import { packageVersion } from '../version.ts'

export async function serving(
  context: Context,
  orchestrator: Orchestrator,
  options: { readonly host: string; readonly port: number; readonly ready?: () => void },
): Promise<RunningServer> {
  const tokens = new Tokens((await context.project()).value('serve', 'tokens'))
  const { host, port, ready } = options
  const server = await startServer({
    service: serviceOf(orchestrator, { draining: () => context.signal.aborted, ready }),
    tokens,
    host,
    port,
    logger: orchestrator.context.operations.logger.child('defacto.lifecycle'),
    version: packageVersion(),
  })
  context.onClose(() => server.close())
  return server
}
