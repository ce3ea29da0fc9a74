/** All contract suites of a storage backend (spec 07 §1). */
import type { Contract } from './backend.ts'
import { buildContract } from './builds.ts'
import { checkpointContract } from './checkpoints.ts'
import { exportContract } from './exports.ts'
import { historyContract } from './history.ts'
import { identityContract } from './identity.ts'
import { ledgerContract } from './ledger.ts'
import { lockContract } from './locks.ts'
import { mappingContract } from './mapping.ts'
import { privacyLedgerContract } from './privacy-ledger.ts'
import { relationshipContract } from './relationships.ts'
import { renormalizeContract } from './renormalize.ts'
import { shadowContract } from './shadow.ts'
import { tierPrivacyContract } from './tier-privacy.ts'
import { tierRenormalizeContract } from './tier-renormalize.ts'
import { tierContract } from './tiers.ts'
import { queryContract, transactionContract } from './transactions.ts'

/** Registers every suite with the test runner behind `api`. */
export function storeContract(contract: Contract): void {
  ledgerContract(contract)
  renormalizeContract(contract)
  privacyLedgerContract(contract)
  tierContract(contract)
  tierRenormalizeContract(contract)
  tierPrivacyContract(contract)
  mappingContract(contract)
  identityContract(contract)
  historyContract(contract)
  relationshipContract(contract)
  shadowContract(contract)
  checkpointContract(contract)
  buildContract(contract)
  lockContract(contract)
  transactionContract(contract)
  queryContract(contract)
  exportContract(contract)
}
