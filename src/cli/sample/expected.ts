/** The committed outcome of the sample run, and the comparison with it. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../../errors.ts'
import type { SampleRun } from './run.ts'

/** What has to come out the same on every machine. */
export function outcomeOf(run: SampleRun): Record<string, unknown> {
  const { records, facts } = run
  return {
    definitions: run.version,
    records: records.sources,
    failures: records.failures,
    merges: facts.merges,
    entities: facts.entities,
    history_rows: facts.historyRows,
    edges: facts.edges,
    digest: facts.digest,
  }
}

/** Differences as `path: expected …, found …`; empty if all is as committed. */
export async function compareWithExpected(folder: string, run: SampleRun): Promise<string[]> {
  let expected: unknown
  try {
    expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'))
  } catch (cause) {
    throw new ConfigError(`the sample's expected.json in ${folder} is missing or damaged`, { cause })
  }
  const differences: string[] = []
  compare('', expected, JSON.parse(JSON.stringify(outcomeOf(run))), differences)
  return differences
}

export async function acceptOutcome(folder: string, run: SampleRun): Promise<void> {
  await writeFile(join(folder, 'expected.json'), `${JSON.stringify(outcomeOf(run), null, 2)}\n`)
}

function compare(path: string, expected: unknown, found: unknown, differences: string[]): void {
  if (isObject(expected) && isObject(found)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      compare(path === '' ? key : `${path}.${key}`, expected[key], found[key], differences)
    }
  } else if (expected !== found) {
    differences.push(`${path}: expected ${shown(expected)}, found ${shown(found)}`)
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
