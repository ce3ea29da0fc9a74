/** One command with what it works with, whoever asked for it: the shell, or another command. */
import type { RunEvent } from '../ports/runs.ts'
import { Context } from './context.ts'
import { engineOf } from './globals.ts'
import { markShown, type Output } from './output.ts'
import type { Invocation } from './program.ts'

export interface Surroundings {
  readonly output: Output
  readonly signal: AbortSignal
  readonly takeTime: (ms: number | null) => void
  readonly report?: (event: RunEvent) => void
}

export function contextOf(options: Invocation['options'], surroundings: Surroundings): Context {
  const text = (name: string): string | undefined => options[name] as string | undefined
  return new Context({
    ...surroundings,
    globals: {
      project: text('project'),
      config: text('config'),
      profile: text('profile'),
      namespace: text('namespace'),
      database: text('database'),
      engine: engineOf(options),
      temporalAddress: text('temporalAddress'),
      idempotencyKey: text('idempotencyKey'),
      requireTemporal: options['requireTemporal'] === true,
      detach: options['detach'] === true,
      worker: options['worker'] === true,
      yes: options['yes'] === true,
      input: options['input'] !== false,
    },
    cwd: process.cwd(),
    env: process.env,
    stdin: process.stdin,
  })
}

/** Shows the result; what went wrong in it is thrown, shown already. */
export async function runCommand(context: Context, { spec, args, options }: Invocation): Promise<void> {
  const result = await spec.run?.(context, args, options)
  if (result === undefined) return
  await context.output.result(result)
  if (result.error !== undefined) throw markShown(result.error)
}
