/** Dagster Pipes for scripts and commands (spec 10 §8, §9): `import { withPipes } from 'defacto/pipes'`. */
export { type CommandRunner, pipesCommand } from './command.ts'
export { type CheckData, type Emitter, emitterOf, eventsOf, type MaterializationData } from './events.ts'
export type { LogLevel, MetadataValue, PipesContext, Severity } from './protocol.ts'
export {
  type CheckReport,
  type MaterializationReport,
  type MetadataInput,
  type Pipes,
  withPipes,
} from './session.ts'
