/** Erasing, redacting, holding: the calls of an open space about single persons (spec 05, 10 §10). */
import type { DefinitionsInput } from './definition-types.ts'
import type { EraseOptions, ErasureApi, HoldApi, Privacy, RedactOptions } from './privacy.ts'
import { Queries } from './queries.ts'
import type { EraseResult, RedactResult } from './results.ts'

export abstract class Lifecycle<D extends DefinitionsInput = DefinitionsInput> extends Queries<D> {
  /** Requests to erase and redact, and their certificates. */
  get erasure(): ErasureApi {
    return this.privacy().erasure
  }

  /** Legal holds. */
  get holds(): HoldApi {
    return this.privacy().holds
  }

  /**
   * Erases the person behind an entity everywhere (spec 05 §4): a request that is carried out at once. Zeros if there is nobody.
   * @throws HoldError, ApprovalRequired where something stands in the way: the request waits
   */
  async erase(entityId: string, options: EraseOptions = {}): Promise<EraseResult> {
    return this.privacy().erase(entityId, options)
  }

  /** Takes an entity's sensitive values away and keeps it and its history (spec 05 §5); the number of events changed. */
  async redact(entityId: string, options?: RedactOptions & { details?: false }): Promise<number>
  async redact(entityId: string, options: RedactOptions & { details: true }): Promise<RedactResult>
  async redact(entityId: string, options: RedactOptions & { details?: boolean } = {}): Promise<number | RedactResult> {
    const { details = false, ...rest } = options
    const result = await this.privacy().redact(entityId, rest)
    return details ? result : result.events
  }

  /** @throws ConfigError once it is closed */
  protected abstract privacy(): Privacy
}
