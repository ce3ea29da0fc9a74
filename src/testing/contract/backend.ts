/**
 * What a storage backend hands to the contract suites. The suites need only `describe` and `it` of a test runner
 * (vitest, node:test, jest) and assert with `node:assert`, so that third parties can run them (spec 07 §1).
 */
import type { Holder, Store, Tx, Unit } from '../../ports/store.ts'
import { at } from './fixtures.ts'

export interface TestApi {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

export interface OpenOptions {
  /** Says which lock holders are certainly gone. */
  readonly isDead?: (holder: Holder) => boolean
}

/** One empty space that can be opened several times, as several processes would. */
export interface Space {
  open(options?: OpenOptions): Promise<Store>
  dispose(): Promise<void>
}

export interface Backend {
  readonly name: string
  /** False if a second `open` of a space cannot see the first one's data (`:memory:`). */
  readonly shared: boolean
  space(): Promise<Space>
}

/** Everything a suite takes. */
export interface Contract {
  readonly backend: Backend
  readonly api: TestApi
}

/** Runs `work` on a store of a new space and removes both. */
export async function withStore(backend: Backend, work: (store: Store) => Promise<void>): Promise<void> {
  const space = await backend.space()
  try {
    const store = await space.open()
    try {
      await work(store)
    } finally {
      await store.close()
    }
  } finally {
    await space.dispose()
  }
}

export const VERSION = 'v1'
export const NOW = at('2024-06-01T12:00:00Z')

export function unitOf(tx: Tx, version: string = VERSION, now = NOW): Unit {
  return { tx, epoch: 1, version, now }
}

/** One transaction with its unit of work. */
export function inUnit<T>(store: Store, work: (unit: Unit) => Promise<T>, version: string = VERSION): Promise<T> {
  return store.transaction((tx) => work(unitOf(tx, version)))
}

/** All chunks of a stream as one array. */
export async function drain<T>(chunks: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const chunk of chunks) for (const item of chunk) all.push(item)
  return all
}
