import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { outputFor } from '../output.ts'

export const command: CommandSpec = {
  name: 'pipes',
  summary: 'run a command of this program as a step of Dagster; without Dagster around it, just run it',
  arguments: [['<command...>', 'the command with its arguments, behind --']],
  examples: ['defacto pipes -- run start nightly', 'defacto pipes -- build --full'],
  async run(context, args) {
    const { pipesCommand } = await import('../../pipes/index.ts')
    const { parseArguments } = await import('../program.ts')
    const { contextOf, runCommand } = await import('../execute.ts')
    await pipesCommand(
      args,
      async (argv, report) => {
        const invocation = await parseArguments([...argv], { out: () => {}, width: undefined })
        if (invocation === null || invocation.spec.name === 'pipes')
          throw new UsageError('pipes needs a command to run, e.g. defacto pipes -- run start nightly')
        const { signal, takeTime } = context
        const inner = contextOf(invocation.options, { output: outputFor(invocation.options), signal, takeTime, report })
        try {
          await runCommand(inner, invocation)
          return 0
        } finally {
          await inner.close()
        }
      },
      context.env,
    )
    return undefined
  },
}
