/** Every storage failure of a call is logged once (spec 07 §1). */
import { StorageError } from './errors.ts'
import type { Logger } from './ports/logger.ts'

/** Runs `work`; a `StorageError` goes to the log on its way to the caller. */
export async function loggingStorage<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StorageError) {
      const { operation, driver } = error.details
      const fields = { code: error.code, operation, driver, recoverable: error.recoverable }
      logger.child('defacto.storage').error('storage operation failed', fields)
    }
    throw error
  }
}
