/** The contract suites over all storage backends. */
import { describe, it } from 'vitest'
import { storeContract } from '../../src/testing/contract/store.ts'
import { BACKENDS, POSTGRES } from '../support/backends.ts'
import { describePostgres } from '../support/postgres.ts'

for (const backend of BACKENDS) storeContract({ backend, api: { describe, it } })
storeContract({ backend: POSTGRES, api: { describe: describePostgres, it } })
