/** A command as a step of another orchestrator: `defacto pipes -- COMMAND…` (spec 10 §7.1, §9). */
import { DefactoError } from '../errors.ts'
import type { RunEvent } from '../ports/runs.ts'
import { emitterOf } from './events.ts'
import { withExtras } from './extras.ts'
import { withPipes } from './session.ts'

/**
 * Does the command and returns its exit code, or throws as the command does. `report` takes the events of its runs: while
 * they come, or at the end (`eventsOf`); one that comes twice counts once.
 */
export type CommandRunner = (argv: readonly string[], report: (event: RunEvent) => void) => Promise<number>

/** The exit code is the command's own. Without an orchestrator around it the command just runs. */
export async function pipesCommand(
  argv: readonly string[],
  run: CommandRunner,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  let exit = 0
  try {
    await withPipes(async (pipes) => {
      const emitter = emitterOf(pipes)
      try {
        exit = await run(withExtras(argv, pipes.context), emitter.take)
      } finally {
        emitter.done()
      }
      if (exit !== 0) throw new CommandFailed(`the command ended with exit code ${exit}`, 'E_COMMAND_FAILED')
    }, env)
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
  }
  return exit
}

/** Ends the session as failed; whoever ran the command has said why. */
class CommandFailed extends DefactoError {}
