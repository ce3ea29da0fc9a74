/**
 * Composition root of the stores that an erasure reaches beside the database (spec 05 §4.2 no. 14, 17, 20, 10 §8): which there
 * are in a space, and those that people registered.
 */

import { FileDeadLetterSink } from './adapters/dead-letter/file.ts'
import { DeadLetterFileTarget } from './adapters/dead-letter/purge.ts'
import { TableDeadLetterSink } from './adapters/dead-letter/table.ts'
import { databaseFiles } from './engine/privacy/scrub.ts'
import { ExportsTarget } from './engine/privacy/targets/exports.ts'
import { ConfigError, StorageError } from './errors.ts'
import { exportPurger } from './export-purgers.ts'
import { fileOwner } from './file-owner.ts'
import type { DeadLetterSink } from './ports/dead-letter.ts'
import type { ErasureTarget, FrozenSubject, TargetOutcome } from './ports/erasure.ts'
import { LOCAL_STORES, OUTER_STORES, type VerifyMethod } from './ports/privacy.ts'
import type { Store } from './ports/store.ts'

/** A store of people's own that holds what it took from a space. */
export interface UserTarget {
  readonly name: string
  /** How many items it would change. */
  plan(subject: FrozenSubject): Promise<number>
  /** How many items it has changed; rejects where the store does not answer, and is asked again. */
  erase(subject: FrozenSubject): Promise<number>
  verify(subject: FrozenSubject): Promise<{ remaining: number; method: VerifyMethod }>
}

const NAME = /^[a-z][a-z0-9_-]{0,47}$/
/** Names of the stores that every certificate may have. */
const OWN = [...LOCAL_STORES, ...OUTER_STORES]
const METHODS: readonly unknown[] = ['scan', 'index', 'config', 'declared'] satisfies readonly VerifyMethod[]

const registered = new Map<string, UserTarget>()

/**
 * From here on every erasure of this process includes the store, and its certificate says so. Register it in every process
 * that erases, before spaces are opened; a name that is there already is replaced.
 * @throws ConfigError for a name that is none, or one of our own, or a target that lacks a function
 */
export function registerErasureTarget(target: UserTarget): void {
  const { name } = target
  if (typeof name !== 'string' || !NAME.test(name) || OWN.includes(name)) {
    throw new ConfigError(
      `an erasure target needs a name of its own: small letters, digits, - and _, and none of ${OWN.join(', ')}`,
    )
  }
  for (const method of ['plan', 'erase', 'verify'] as const) {
    if (typeof target[method] !== 'function') {
      throw new ConfigError(`the erasure target '${name}' has no function ${method}()`)
    }
  }
  registered.set(name, target)
}

export interface TargetPlaces {
  readonly store: Store
  readonly deadLetter: DeadLetterSink | null
  /** Whole addresses of servers that were exported to (`compliance.exports`). */
  readonly addresses?: readonly string[]
}

/** Stores beside the database and its archive, in the order in which they are named. */
export function erasureTargets({ store, deadLetter, addresses = [] }: TargetPlaces): ErasureTarget[] {
  return [
    ...letterTargets(deadLetter),
    new ExportsTarget(store.exports, store.privacy, exportPurger(addresses)),
    databaseFiles(store),
    ...[...registered.values()].map((target) => new Registered(target)),
  ]
}

/** The table goes with the database. */
function letterTargets(sink: DeadLetterSink | null): ErasureTarget[] {
  if (sink === null || sink instanceof TableDeadLetterSink) return []
  if (sink instanceof FileDeadLetterSink) return [new DeadLetterFileTarget(sink.path, fileOwner())]
  return [new ForeignLetters()]
}

/** An object of people's own: nobody but they can look into it. */
class ForeignLetters implements ErasureTarget {
  readonly name = 'dead_letter_sink'

  async plan(): Promise<number> {
    return 0
  }

  async erase(subjects: readonly FrozenSubject[]): Promise<readonly TargetOutcome[]> {
    const outstanding = {
      store: this.name,
      reason:
        'the dead letter sink is an object of the program: remove the letters there, or register an erasure target for it',
      until: null,
    }
    return subjects.map(() => ({ action: 'declared', items: 0, outstanding: [outstanding] }))
  }

  async verify(): Promise<{ remaining: number; method: VerifyMethod }> {
    return { remaining: 0, method: 'declared' }
  }
}

/** What people's functions return is checked; what is wrong with it is a store that does not answer. */
class Registered implements ErasureTarget {
  readonly name: string
  readonly #target: UserTarget

  constructor(target: UserTarget) {
    this.name = target.name
    this.#target = target
  }

  plan(subject: FrozenSubject): Promise<number> {
    return this.#asked('plan', async () => this.#count('plan', await this.#target.plan(subject)))
  }

  async erase(subjects: readonly FrozenSubject[]): Promise<readonly TargetOutcome[]> {
    const outcomes: TargetOutcome[] = []
    for (const subject of subjects) {
      const items = await this.#asked('erase', async () => this.#count('erase', await this.#target.erase(subject)))
      outcomes.push({ action: subject.treat === null ? 'deleted' : 'scrubbed', items })
    }
    return outcomes
  }

  verify(subject: FrozenSubject): Promise<{ remaining: number; method: VerifyMethod }> {
    return this.#asked('verify', async () => {
      const found: unknown = await this.#target.verify(subject)
      const { remaining, method } = (typeof found === 'object' && found !== null ? found : {}) as Record<
        string,
        unknown
      >
      if (!METHODS.includes(method)) throw this.#wrong('verify', `a method: ${METHODS.join(', ')}`)
      return { remaining: this.#count('verify', remaining), method: method as VerifyMethod }
    })
  }

  #count(method: string, value: unknown): number {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
    throw this.#wrong(method, 'a whole number of items')
  }

  #wrong(method: string, wanted: string): StorageError {
    return this.#failure(`${method}() of the erasure target '${this.name}' must give ${wanted}`)
  }

  async #asked<T>(method: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof StorageError && error.details['target'] === this.name) throw error
      // Texts of people's errors may quote anything.
      throw this.#failure(`${method}() of the erasure target '${this.name}' failed; it is asked again`, error)
    }
  }

  #failure(message: string, cause?: unknown): StorageError {
    return new StorageError(message, { details: { operation: 'erase', target: this.name }, recoverable: true, cause })
  }
}
