/** The configuration as code: the shape of `defacto.config.ts` (spec 10 §7.2, §8). */
import type { DefactoOptions } from '../options.ts'
import type { CheckDefinition } from '../orchestration/checks/code.ts'

/** Settings that are options of `Defacto.open` too. Functions and objects can only be given as code. */
type EngineSettings = Omit<DefactoOptions, 'catchUp' | 'deadLetter'> & {
  catchUp?: boolean
  deadLetter?: { type: 'file' | 'table'; path?: string; maxBytes?: number }
}

export interface ProjectSettings extends Omit<EngineSettings, 'clock' | 'newId' | 'logger'> {
  /** Folder of the definitions, relative to the file. */
  definitions?: string
  engine?: 'temporal' | 'local'
  temporal?: {
    address?: string
    namespace?: string
    profile?: string
    prefix?: string
    /** The first key encrypts, all decrypt; `key` as reference to a variable or file. */
    codec?: { id: string; key: string }[]
    versioning?: boolean
    /** Steps of a worker that is silent for so long are given to another one; default 30s. */
    heartbeat?: string
  }
  /** Checks written in code, made by `check()`; every `check` step runs them. */
  checks?: readonly CheckDefinition[]
  /** Limits by pool name. */
  pools?: Record<string, number>
  /** Durations like `180d`. */
  retention?: { metadata?: { runs?: string; ticks?: string; checks?: string; logs?: string; deadLetters?: string } }
  /** By name: a reference to the token, and what it may do. */
  serve?: { tokens?: Record<string, { token: string; scopes: ('read' | 'run' | 'erase')[] }> }
  telemetry?: { otlp?: unknown; openlineage?: unknown; dagster?: unknown }
}

export interface ProjectConfig extends ProjectSettings {
  /** Settings by profile name, laid over the others when the profile is chosen. */
  profiles?: Record<string, ProjectSettings>
}

/** Gives `defacto.config.ts` its types: `export default defineProject({ … })`. Returns its argument. */
export function defineProject(project: ProjectConfig): ProjectConfig {
  return project
}
