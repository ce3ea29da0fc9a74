/** The run log over all storage backends (spec 10 §2). */
import { describe, it } from 'vitest'
import { runLogContract } from '../../src/testing/contract/run-log.ts'
import { BACKENDS, POSTGRES } from '../support/backends.ts'
import { describePostgres } from '../support/postgres.ts'

for (const backend of BACKENDS) runLogContract({ backend, api: { describe, it } })
runLogContract({ backend: POSTGRES, api: { describe: describePostgres, it } })
