/** What is stored about erasures, redactions and holds, on real databases. */
import { describe, it } from 'vitest'
import { privacyLogContract } from '../../src/testing/contract/privacy-log.ts'
import { BACKENDS, POSTGRES } from '../support/backends.ts'
import { describePostgres } from '../support/postgres.ts'

for (const backend of BACKENDS) privacyLogContract({ backend, api: { describe, it } })
privacyLogContract({ backend: POSTGRES, api: { describe: describePostgres, it } })
