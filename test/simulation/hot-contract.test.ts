/** The database of the simulation keeps the contracts that real ones keep, so that what is shown over it means something. */
import { describe, it } from 'vitest'
import type { Backend } from '../../src/testing/contract/backend.ts'
import { ledgerContract } from '../../src/testing/contract/ledger.ts'
import { lockContract } from '../../src/testing/contract/locks.ts'
import { privacyLedgerContract } from '../../src/testing/contract/privacy-ledger.ts'
import { renormalizeContract } from '../../src/testing/contract/renormalize.ts'
import { tierPrivacyContract } from '../../src/testing/contract/tier-privacy.ts'
import { tierContract } from '../../src/testing/contract/tiers.ts'
import { Requests } from './faults.ts'
import type { StreamStyle } from './hot-connection.ts'
import { HotDatabase } from './hot-database.ts'
import { hotStore } from './hot-store.ts'
import { Random } from './random.ts'
import { Process, Scheduler } from './scheduler.ts'

const STYLES: readonly StreamStyle[] = [
  { chunk: 3, snapshot: false },
  { chunk: 3, snapshot: true },
]

for (const style of STYLES) {
  const name = `memory, ${style.snapshot ? 'streams of one moment' : 'streams of pages'}`
  const backend: Backend = {
    name,
    shared: true,
    space: async () => {
      const database = new HotDatabase(new Requests(new Scheduler(new Random(1))))
      return {
        open: async ({ isDead = () => false } = {}) => {
          return hotStore({ database, process: new Process('test'), style, now: () => new Date(), isDead })
        },
        dispose: async () => {},
      }
    },
  }
  const contract = { backend, api: { describe, it } }
  tierContract(contract)
  renormalizeContract(contract)
  ledgerContract(contract)
  privacyLedgerContract(contract)
  tierPrivacyContract(contract)
  lockContract(contract)
}
