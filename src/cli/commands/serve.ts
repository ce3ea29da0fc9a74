import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { count, text } from '../options.ts'
import { connect } from '../runs/connect.ts'
import { until } from '../runs/until.ts'

export const command: CommandSpec = {
  name: 'serve',
  summary: 'the HTTP API: start and follow runs, push records, read tables, metrics',
  options: [
    { flags: '--host <address>', description: 'default: 127.0.0.1; others need tokens in the configuration' },
    { flags: '--port <n>', description: 'default: 8080; 0: any free one' },
  ],
  examples: ['defacto serve', 'defacto serve --worker --port 0', 'curl -s localhost:8080/openapi.json'],
  async run(context, _args, options) {
    const port = count(options, 'port') ?? 8080
    if (port > 65_535) throw new UsageError('--port takes a number up to 65535')
    const { serving } = await import('../runs/serving.ts')
    const orchestrator = await connect(context)
    const server = await serving(context, orchestrator, { host: text(options, 'host') ?? '127.0.0.1', port })
    context.output.note(`serving ${server.url}`)
    await until(context)
    return undefined
  },
}
