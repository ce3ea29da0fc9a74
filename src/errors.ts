/** Typed errors of the package (spec 09 §10). Messages carry names, codes and places, never values of events. */

export interface ErrorOptions {
  code?: string
  details?: Record<string, unknown>
  recoverable?: boolean
  cause?: unknown
}

/** Base of every error thrown on purpose. `code` is stable; `recoverable` says that a later retry may succeed. */
export class DefactoError extends Error {
  readonly code: string
  readonly details: Record<string, unknown>
  readonly recoverable: boolean

  constructor(message: string, defaultCode: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = options.code ?? defaultCode
    this.details = options.details ?? {}
    this.recoverable = options.recoverable ?? false
  }
}

/** Bad option, URL, configuration or missing peer package. */
export class ConfigError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_CONFIG', options)
  }
}

/** Invalid definitions; `details.errors` (text) and `details.issues` (spec 01 §5). */
export class DefinitionError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_DEFINITION', options)
  }
}

/** Every event of one ingest call failed normalization; `result` is the whole `IngestResult` (spec 03 §11). */
export class IngestError extends DefactoError {
  readonly result: unknown
  constructor(message: string, result: unknown, options?: ErrorOptions) {
    super(message, 'E_INGEST', options)
    this.result = result
  }
}

/** Schema violation where a call asks for it. */
export class ValidationError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_VALIDATION', options)
  }
}

/** A build cannot proceed (never a single bad event). */
export class BuildError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_BUILD', options)
  }
}

/** Database or file failure; `details.operation`, `details.driver`. Recoverable for lock, disk and connection. */
export class StorageError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_STORAGE', options)
  }
}

/** Impossible merge, inconsistent mapping. */
export class IdentityError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_IDENTITY', options)
  }
}

/** Unknown entity, version, source, type or relationship. */
export class NotFoundError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_NOT_FOUND', options)
  }
}

/** Invalid query, SQL or graph request; `details.errors` lists all problems with positions. */
export class QueryError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_QUERY', options)
  }
}

/** Another live holder owns the slot (spec 10 §4.4); `details` names it. Exit code 6. */
export class LockHeld extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_LOCK_HELD', { recoverable: true, ...options })
  }
}

/** This writer's epoch is stale: somebody took the slot over (spec 10 §4.4). Nothing was written. Exit code 6. */
export class Fenced extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_FENCED', options)
  }
}

/** Too many failures of an input (spec 10 §3.3). Exit code 4. */
export class ThresholdError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_THRESHOLD', options)
  }
}

/** A blocking check failed (spec 10 §3.7). Exit code 5. */
export class CheckError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_CHECK', options)
  }
}

/** The same key with another request (`E_CONFLICT`), or a plan made for another state. Exit code 6. */
export class ConflictError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_CONFLICT', options)
  }
}

/** A hold keeps the subject from being erased (spec 10 §10.1); `details.holds` are their ids. Exit code 8. */
export class HoldError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_HOLD', options)
  }
}

/** Somebody else than the requester has to approve first (spec 10 §10.1). Exit code 8. */
export class ApprovalRequired extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_APPROVAL', options)
  }
}

/** A component that has to be reached cannot be: the orchestrator, an input's database. Exit code 9. */
export class UnreachableError extends DefactoError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'E_UNREACHABLE', { recoverable: true, ...options })
  }
}

/** A part of an input is no longer what was planned, or is gone: `E_INPUT_CHANGED`; a later run looks at it anew. */
export function inputChanged(): StorageError {
  return new StorageError('a part of the input changed or went away while it was read; the next run reads it again', {
    code: 'E_INPUT_CHANGED',
    details: { operation: 'read' },
    recoverable: true,
  })
}
