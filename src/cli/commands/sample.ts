/** `npm start`: the sample project from its records to a report, on SQLite unless a database is named, without any configuration. */
import { rm } from 'node:fs/promises'
import { CheckError, ConfigError, LockHeld } from '../../errors.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { flag } from '../options.ts'
import type { Result } from '../output.ts'
import { acceptOutcome, compareWithExpected } from '../sample/expected.ts'
import { readManifest, type SampleManifest } from '../sample/manifest.ts'
import { type SamplePlace, samplePlace } from '../sample/place.ts'
import { writeReport } from '../sample/report.ts'
import { runSample, type SampleRun } from '../sample/run.ts'
import { namedDatabase, openSample, sampleClock } from '../sample/space.ts'
import { coldFolder } from '../sample/tiers.ts'
import { viewsOf } from '../sample/views.ts'

const RUN = 'sample'
const TO_STOP_MS = 30_000

export const command: CommandSpec = {
  name: 'sample',
  summary: 'run the sample project from records to report',
  options: [
    { flags: '--fresh', description: 'remove the state of earlier runs first' },
    { flags: '--accept', description: 'make the outcome the expected one, after changing definitions or records' },
  ],
  examples: [
    'defacto sample',
    'npm start -- --fresh',
    'npm start -- --local',
    'npm start -- --database postgresql://postgres@127.0.0.1:5432/postgres',
  ],
  async run(context, _args, options) {
    const place = samplePlace(context.cwd)
    const manifest = await readManifest(place.data)
    if (flag(options, 'fresh')) await removeState(place, manifest, context)
    const clock = sampleClock(manifest)
    const defacto = await openSample(place, clock, context)
    // After Ctrl-C the worker hands back what it has in hand.
    context.takeTime(TO_STOP_MS)
    try {
      const work = async (): Promise<Result> => {
        const run = await runSample(defacto, place, manifest, clock, context)
        if (flag(options, 'accept')) await acceptOutcome(place.data, run)
        const differences = await compareWithExpected(place.data, run)
        const report = await writeReport(defacto, place, run, await viewsOf(defacto), differences, context.cwd)
        return { ...report, error: problemOf(run, differences) }
      }
      return await defacto.exclusive(RUN, work, context.signal)
    } finally {
      await defacto.close()
    }
  },
}

/** Removes what earlier runs left, unless one of them is still at it. */
async function removeState(place: SamplePlace, manifest: SampleManifest, context: Context): Promise<void> {
  const named = namedDatabase(context)
  if (named !== undefined) {
    throw new ConfigError(
      `--fresh removes the sample of the own folder only; drop the schemas of a named database there, and remove ${coldFolder(place, named)}`,
    )
  }
  try {
    const defacto = await openSample(place, sampleClock(manifest), context)
    try {
      await defacto.exclusive(RUN, async () => undefined)
    } finally {
      await defacto.close()
    }
  } catch (error) {
    // A space that cannot be opened any more is what `--fresh` is for.
    if (error instanceof LockHeld) throw error
  }
  await rm(place.state, { recursive: true, force: true })
}

function problemOf(run: SampleRun, differences: readonly string[]): Error | undefined {
  const failed = run.checks.filter((check) => !check.passed)
  if (failed.length > 0) {
    return new CheckError(`check ${failed.map((check) => `${check.name}: ${check.detail}`).join('; ')}`)
  }
  if (differences.length > 0) {
    const shown = differences.slice(0, 8).map((line) => `\n  ${line}`)
    const more = differences.length > shown.length ? `\n  and ${differences.length - shown.length} more` : ''
    return new CheckError(
      `the outcome differs from infra/sample/expected.json:${shown.join('')}${more}\n` +
        'If definitions or records were changed on purpose, run again with --accept.',
      { details: { differences } },
    )
  }
  return undefined
}
