/** The sample's space and project: its clock stands at the end of the data, its pipeline reads what the package brings. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { settingsOf } from '../../config/check.ts'
import { LoadedProject } from '../../config/project.ts'
import { Defacto } from '../../index.ts'
import type { Context } from '../context.ts'
import type { SampleManifest } from './manifest.ts'
import type { SamplePlace } from './place.ts'
import { type NamedDatabase, sampleCold } from './tiers.ts'

/** Schema of the sample in a database that others may use, too. */
const NAMESPACE = 'defacto_sample'

/** The database somebody named for the sample; undefined: a file in the sample's own folder. */
export function namedDatabase({ globals, env }: Context): NamedDatabase | undefined {
  const database = globals.database ?? env['DEFACTO_DATABASE']
  return database === undefined ? undefined : { database, namespace: globals.namespace ?? NAMESPACE }
}

/** The end of the data, and on from there while it runs: steps take time, time rules and freshness see the data's own. */
export function sampleClock(manifest: SampleManifest): () => Date {
  const begin = Date.parse(manifest.clock)
  const started = Date.now()
  return () => new Date(begin + Date.now() - started)
}

export async function openSample(place: SamplePlace, clock: () => Date, context: Context): Promise<Defacto> {
  // Archive, server and reports lie there wherever the database does.
  await mkdir(place.state, { recursive: true })
  const named = namedDatabase(context)
  return Defacto.fromDirectory(place.definitions, {
    ...(named ?? { database: join(place.state, 'defacto.db') }),
    coldLedger: sampleCold(place, named),
    deadLetter: { type: 'file', path: join(place.state, 'dead-letters.jsonl') },
    clock,
    catchUp: false,
    logLevel: context.output.verbose ? 'DEBUG' : 'ERROR',
  })
}

/** The project around it. No configuration of the surroundings counts: the sample is the same everywhere. */
export function sampleProject(place: SamplePlace): LoadedProject {
  const settings = settingsOf(
    {
      mode: 'development',
      definitions: place.definitions,
      coldLedger: { url: join(place.state, 'cold') },
      pools: { nightly: 1 },
    },
    { place: () => 'sample', base: place.arrived },
  )
  return new LoadedProject({
    root: place.arrived,
    file: null,
    profile: null,
    ignoredVariables: [],
    settings: new Map(settings.map((setting) => [setting.path.join('.'), setting])),
    env: {},
  })
}
