/** All commands: name and summary for the overview, the module loaded only when the command is used. */
import type { CommandSpec } from './command.ts'

export interface CatalogEntry {
  readonly name: string
  readonly summary: string
  readonly group: 'Project' | 'Data' | 'Read' | 'Run' | 'Operate'
  load(): Promise<CommandSpec>
}

export const CATALOG: readonly CatalogEntry[] = [
  {
    name: 'init',
    group: 'Project',
    summary: 'create a project from a template',
    load: async () => (await import('./commands/init.ts')).command,
  },
  {
    name: 'check',
    group: 'Project',
    summary: 'check the definitions, with file, line and column',
    load: async () => (await import('./commands/check.ts')).command,
  },
  {
    name: 'schema',
    group: 'Project',
    summary: 'print or write the JSON Schema of definition files',
    load: async () => (await import('./commands/schema.ts')).command,
  },
  {
    name: 'graph',
    group: 'Project',
    summary: 'draw the definitions; neighbours, paths and communities of entities',
    load: async () => (await import('./commands/graph.ts')).command,
  },
  {
    name: 'config',
    group: 'Project',
    summary: 'show the configuration and where it comes from',
    load: async () => (await import('./commands/config.ts')).command,
  },
  {
    name: 'sample',
    group: 'Project',
    summary: 'run the sample project from records to report',
    load: async () => (await import('./commands/sample.ts')).command,
  },
  {
    name: 'ingest',
    group: 'Data',
    summary: 'read records of a source into the ledger',
    load: async () => (await import('./commands/ingest.ts')).command,
  },
  {
    name: 'build',
    group: 'Data',
    summary: 'bring entity state up to date',
    load: async () => (await import('./commands/build.ts')).command,
  },
  {
    name: 'tick',
    group: 'Data',
    summary: 'apply time rules that are due',
    load: async () => (await import('./commands/tick.ts')).command,
  },
  {
    name: 'merge',
    group: 'Operate',
    summary: 'make two entities one',
    load: async () => (await import('./commands/merge.ts')).command,
  },
  {
    name: 'erase',
    group: 'Operate',
    summary: 'erase a person everywhere, with proof',
    load: async () => (await import('./commands/erase.ts')).command,
  },
  {
    name: 'redact',
    group: 'Operate',
    summary: "take an entity's sensitive values away",
    load: async () => (await import('./commands/redact.ts')).command,
  },
  {
    name: 'subject',
    group: 'Operate',
    summary: "one person's data, to hand over",
    load: async () => (await import('./commands/subject.ts')).command,
  },
  {
    name: 'hold',
    group: 'Operate',
    summary: 'legal holds: what must not be erased',
    load: async () => (await import('./commands/hold.ts')).command,
  },
  {
    name: 'dlq',
    group: 'Data',
    summary: 'list, show, retry or drop dead letters',
    load: async () => (await import('./commands/dlq.ts')).command,
  },
  {
    name: 'table',
    group: 'Read',
    summary: 'current entities of a type',
    load: async () => (await import('./commands/table.ts')).command,
  },
  {
    name: 'history',
    group: 'Read',
    summary: 'state history of a type',
    load: async () => (await import('./commands/history.ts')).command,
  },
  {
    name: 'timeline',
    group: 'Read',
    summary: 'what happened to one entity',
    load: async () => (await import('./commands/timeline.ts')).command,
  },
  {
    name: 'query',
    group: 'Read',
    summary: 'read with SQL',
    load: async () => (await import('./commands/query.ts')).command,
  },
  {
    name: 'explain',
    group: 'Read',
    summary: 'tell where a value comes from, or what a code means',
    load: async () => (await import('./commands/explain.ts')).command,
  },
  {
    name: 'export',
    group: 'Read',
    summary: 'write tables to files, a database or a graph',
    load: async () => (await import('./commands/export.ts')).command,
  },
  {
    name: 'run',
    group: 'Run',
    summary: 'start, list, follow, cancel and retry runs',
    load: async () => (await import('./commands/run.ts')).command,
  },
  {
    name: 'schedule',
    group: 'Run',
    summary: 'apply, pause, trigger and look at schedules',
    load: async () => (await import('./commands/schedule.ts')).command,
  },
  {
    name: 'backfill',
    group: 'Run',
    summary: 'work through windows of time gone by, as one run',
    load: async () => (await import('./commands/backfill.ts')).command,
  },
  {
    name: 'asset',
    group: 'Run',
    summary: 'what can be read: where it comes from, how fresh it is, its checks',
    load: async () => (await import('./commands/asset.ts')).command,
  },
  {
    name: 'dev',
    group: 'Run',
    summary: 'server, worker, schedules and API in one command',
    load: async () => (await import('./commands/dev.ts')).command,
  },
  {
    name: 'worker',
    group: 'Run',
    summary: 'work the task queues of the space',
    load: async () => (await import('./commands/worker.ts')).command,
  },
  {
    name: 'serve',
    group: 'Run',
    summary: 'the HTTP API',
    load: async () => (await import('./commands/serve.ts')).command,
  },
  {
    name: 'temporal',
    group: 'Run',
    summary: 'set up, check and replay on the Temporal server',
    load: async () => (await import('./commands/temporal.ts')).command,
  },
  {
    name: 'pipes',
    group: 'Run',
    summary: 'run a command inside Dagster Pipes',
    load: async () => (await import('./commands/pipes.ts')).command,
  },
  {
    name: 'integrate',
    group: 'Run',
    summary: 'files for Dagster and Airflow',
    load: async () => (await import('./commands/integrate.ts')).command,
  },
  {
    name: 'cold',
    group: 'Operate',
    summary: 'move events between the database and the archive',
    load: async () => (await import('./commands/cold.ts')).command,
  },
  {
    name: 'migrate',
    group: 'Operate',
    summary: 'bring the database tables up to date',
    load: async () => (await import('./commands/migrate.ts')).command,
  },
  {
    name: 'doctor',
    group: 'Operate',
    summary: 'look at the installation, the database and its locks',
    load: async () => (await import('./commands/doctor.ts')).command,
  },
  {
    name: 'completion',
    group: 'Operate',
    summary: 'print a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).command,
  },
]
