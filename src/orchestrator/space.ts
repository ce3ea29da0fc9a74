/** An engine opened for running things on it: everything that steps and control need (spec 10 §4). */
import { hostname } from 'node:os'
import { isDead, processStartTime } from '../adapters/host/process-identity.ts'
import type { ProjectConfig } from '../config/define.ts'
import { LoadedProject, loadProject } from '../config/project.ts'
import { Defacto } from '../defacto.ts'
import { inputReaders } from '../input-readers.ts'
import type { DefactoOptions } from '../options.ts'
import type { Control, Metrics, Orchestration } from '../orchestration/contract.ts'
import { createControl, type ProcessMarks } from '../orchestration/control.ts'
import { createMetrics, type MetricsRegistry } from '../orchestration/metrics/registry.ts'
import { packageVersion } from '../package-version.ts'
import { projectAccess } from '../project-access.ts'
import { createTrace } from '../telemetry/trace.ts'

export interface OpenedSpace {
  readonly project: LoadedProject
  readonly defacto: Defacto
  readonly context: Orchestration
  readonly control: Control
  /** What this process marks its runs with. */
  readonly mark: string
  readonly metrics: MetricsRegistry
}

export interface OpenSpaceOptions {
  readonly engine: 'temporal' | 'local'
  readonly profile?: string
  /** Over the project's own: a clock, a logger. */
  readonly options?: DefactoOptions
}

/**
 * Opens the project's engine as workers do: no version changes and nothing is built by opening. The first to open a new
 * space makes its version the active one.
 */
export async function openOrchestration(
  project: ProjectConfig | string | LoadedProject,
  { engine, profile, options = {} }: OpenSpaceOptions,
): Promise<OpenedSpace> {
  const loaded = await loadedProject(project, profile)
  const defacto = await Defacto.open(loaded.definitions, {
    ...(loaded.options() as DefactoOptions),
    activate: 'never',
    catchUp: false,
    ...options,
  })
  return spaceOver(loaded, defacto, engine, options.clock)
}

/** The same over an engine that is open already; it stays its opener's. */
export function spaceOver(
  project: LoadedProject,
  defacto: Defacto,
  engine: 'temporal' | 'local',
  clock?: () => Date,
): OpenedSpace {
  const metrics = createMetrics(defacto.operations().namespace)
  const context = orchestrationFor(project, defacto, engine, { clock, metrics })
  const marks = processMarks()
  return { project, defacto, context, control: createControl(context, marks), mark: marks.own, metrics }
}

/** What steps and questions work with, over an engine that is open. Without `metrics` nothing is counted. */
export function orchestrationFor(
  loaded: LoadedProject,
  defacto: Defacto,
  engine: 'temporal' | 'local',
  { clock = () => new Date(), metrics = NO_METRICS }: { clock?: () => Date; metrics?: Metrics } = {},
): Orchestration {
  const operations = defacto.operations()
  const access = projectAccess(loaded)
  const version = packageVersion()
  return {
    operations,
    project: access,
    inputs: inputReaders(access, operations.log.inputs),
    clock,
    metrics,
    trace: createTrace(version),
    package: version,
    engine,
  }
}

const NO_METRICS: Metrics = { count: () => {}, observe: () => {}, gauge: () => {} }

/** The configuration of a project, however it is given. */
export async function loadedProject(
  project: ProjectConfig | string | LoadedProject,
  profile?: string,
): Promise<LoadedProject> {
  if (project instanceof LoadedProject) return project
  const { env } = process
  const cwd = process.cwd()
  return typeof project === 'string'
    ? loadProject({ cwd, env, project, profile })
    : loadProject({ cwd, env, profile, flags: { ...project } })
}

const MARK = 'process'

/** This process, and whether others that left their mark still live; known only of those on this machine. */
export function processMarks(): ProcessMarks {
  const started = processStartTime(process.pid) ?? ''
  return {
    own: JSON.stringify([MARK, hostname(), process.pid, started]),
    isDead(mark) {
      const parts = partsOf(mark)
      if (parts === null) return false
      const [, host, pid, startedAt] = parts
      return isDead({ host, pid, startedAt, purpose: MARK })
    },
  }
}

function partsOf(mark: string): readonly [string, string, number, string] | null {
  try {
    const parts = JSON.parse(mark) as unknown
    const isMark =
      Array.isArray(parts) &&
      parts[0] === MARK &&
      typeof parts[1] === 'string' &&
      typeof parts[2] === 'number' &&
      typeof parts[3] === 'string'
    return isMark ? (parts as unknown as readonly [string, string, number, string]) : null
  } catch {
    return null
  }
}
