/** Dead letters in the space's own database (spec 07 §9, 10 §2). */
import type { DeadLetterBox, DeadLetterEntry, DeadLetterSink } from '../../ports/dead-letter.ts'
import type { DeadLetterPort } from '../../ports/runs.ts'
import type { Store, Unit } from '../../ports/store.ts'
import type { EventFailure } from '../../results.ts'

/** Letters read at once. */
const PAGE = 500

/** Every `send` is a transaction. The table ends with the store, which is not closed here. */
export class TableDeadLetterSink implements DeadLetterSink {
  readonly #store: Store
  readonly #now: () => Unit['now']
  #last: Promise<unknown> = Promise.resolve()

  constructor(store: Store, now: () => Unit['now']) {
    this.#store = store
    this.#now = now
  }

  async send(failures: readonly EventFailure[]): Promise<void> {
    if (failures.length === 0) return
    const version = failures[0]?.version ?? ''
    const mine = this.#store.transaction((tx) =>
      this.#store.log.letters.add({ tx, epoch: 0, version, now: this.#now() }, null, failures),
    )
    this.#last = mine.catch(() => undefined)
    await mine
  }

  async close(): Promise<void> {
    await this.#last
  }
}

/** The letters of a space's database. `place`: the database, for people. */
export function tableLetters(letters: DeadLetterPort, place: string): DeadLetterBox {
  return {
    place,
    async *read(filter = {}): AsyncGenerator<DeadLetterEntry> {
      let after: { after?: string } = {}
      while (true) {
        const page = await letters.list({ ...filter, ...after, limit: PAGE })
        for (const { id, failure, status, reason } of page) yield { id, failure, status, reason }
        const last = page.at(-1)
        if (last === undefined || page.length < PAGE) return
        after = { after: last.id }
      }
    },
    async settle(ids, { status, reason }) {
      for (let from = 0; from < ids.length; from += PAGE) {
        await letters.setStatus(ids.slice(from, from + PAGE), status, reason)
      }
    },
  }
}
