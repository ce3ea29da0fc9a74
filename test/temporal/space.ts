/** A space with pipelines, as workers and clients of the orchestrator get it: real stores, a real run log. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenedSpace } from '../../activities/index.ts'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import { joined, openPeople, people, used } from '../support/people.ts'
import { type RunSpaceOptions, runSpace } from '../support/run-space.ts'

export interface Space extends OpenedSpace {
  readonly defacto: Defacto
  close(): Promise<void>
}

export interface SpaceOptions extends DefactoOptions, Omit<RunSpaceOptions, 'engine'> {}

export async function openSpace({ folder, pipelines, resolve, ...options }: SpaceOptions): Promise<Space> {
  const defacto = await openPeople(people(), { catchUp: false, clock: () => new Date(), ...options })
  return { ...runSpace(defacto, { folder, pipelines, resolve }), close: () => defacto.close() }
}

/** `count` people, each with an event more, in one file of records. */
export async function writePeople(path: string, count: number, from = 0): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  const records = Array.from({ length: count }, (_, i) => {
    const mail = `m${from + i}@example.org`
    return [joined(mail, 1 + (i % 9)), used(mail, 10, from + i)]
  })
  await writeFile(
    path,
    records
      .flat()
      .map((record) => `${JSON.stringify(record)}\n`)
      .join(''),
  )
}

/** Reads files and builds; `steps` beside these two. */
export function peoplePipeline(more: object = {}, steps: readonly unknown[] = ['ingest', 'build', 'tick']): object {
  return {
    inputs: { files: { source: 'web', kind: 'files', path: 'in/*.ndjson', settle: '0s' } },
    steps,
    ...more,
  }
}
