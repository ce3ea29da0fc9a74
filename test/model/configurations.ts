/** The small worlds that are explored to the last state. Each asks one question; `docs/protocol/*.cfg` are the same. */
import { type Configuration, NOTHING } from './state.ts'

const BASE: Configuration = {
  shards: 2,
  processes: [0, 1],
  events: 3,
  hints: 3,
  width: 2,
  ids: 3,
  budgets: NOTHING,
  headLock: true,
  exclusive: false,
}

export const CONFIGURATIONS = {
  ingest: BASE,
} satisfies Record<string, Configuration>
