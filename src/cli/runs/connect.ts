/** Reaching the space of a project: to look at its runs, or to start them on a server or in this process (spec 10 §5). */
import type { Defacto } from '../../index.ts'
import { Orchestrator } from '../../orchestrator.ts'
import type { Operations } from '../../ports/operations.ts'
import type { RunLog } from '../../ports/runs.ts'
import type { Context } from '../context.ts'
import { remarks } from '../log-target.ts'
import { serverOrNot, startWorker } from './server.ts'
import { startTracing } from './tracing.ts'

export interface Looked {
  readonly defacto: Defacto
  readonly operations: Operations
  readonly log: RunLog
}

const opened = new WeakMap<Context, Promise<Looked>>()

/** The tables of runs, without any server; the database has to be there. */
export function looking(context: Context): Promise<Looked> {
  let looked = opened.get(context)
  if (looked === undefined) {
    looked = look(context)
    opened.set(context, looked)
  }
  return looked
}

async function look(context: Context): Promise<Looked> {
  const defacto = await context.openToRead()
  const operations = defacto.operations()
  return { defacto, operations, log: operations.log }
}

const connected = new WeakMap<Context, Promise<Orchestrator>>()

export interface ConnectChoice {
  /** False: the command works the queues itself, or nobody needs to. */
  readonly worker?: boolean
  /** Leaves a server that is started here running. */
  readonly keep?: boolean
  /** As workers do: definitions that were changed are left to who applies them. */
  readonly activate?: 'never'
  /** What is to be reached is known not to be on a server. */
  readonly engine?: 'local'
}

/** An orchestrator for starting and stopping runs; closed when the command ends. */
export function connect(context: Context, choice: ConnectChoice = {}): Promise<Orchestrator> {
  let orchestrator = connected.get(context)
  if (orchestrator === undefined) {
    orchestrator = open(context, choice)
    connected.set(context, orchestrator)
  }
  return orchestrator
}

async function open(context: Context, choice: ConnectChoice): Promise<Orchestrator> {
  const { output, globals } = context
  const project = await context.project()
  const engine = choice.engine ?? engineOf(globals.engine ?? project.value('engine'))
  await startTracing(context)
  const orchestrator = await Orchestrator.connect(project, {
    engine,
    address: globals.temporalAddress,
    ...(choice.keep === true ? { keep: true } : {}),
    options: {
      // What was changed in the definitions counts, as with `build`; production changes versions on purpose only.
      activate: choice.activate ?? (project.value('mode') === 'production' ? 'never' : 'if-new'),
      ...(project.value('logLevel') === undefined ? { logger: remarks(output) } : {}),
    },
    say: (line) => output.note(line),
  })
  context.onClose(() => orchestrator.close())
  if (engine === 'local' && choice.engine === undefined)
    output.note('local engine: not durable; after a crash the next run continues')
  if (orchestrator.server !== null) serverOrNot(output, orchestrator.server)
  // A server that was started for this command has no other worker.
  const alone = globals.worker || orchestrator.server?.started === true
  if (engine === 'temporal' && choice.worker !== false && alone) {
    const worker = await startWorker(orchestrator)
    context.onClose(() => worker.stop())
  }
  return orchestrator
}

function engineOf(value: unknown): 'temporal' | 'local' {
  return value === 'local' ? 'local' : 'temporal'
}
