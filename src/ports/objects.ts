/**
 * Object storage: an S3 bucket with a prefix, or a folder (spec 07 §5). Paths are relative to that root, consist of
 * `[A-Za-z0-9._/-]`, and name whole objects; nothing is ever changed in place.
 *
 * Failures are `StorageError`s with `details.operation`, `details.object` and `recoverable` (network, throttling, expired
 * credentials, full disks are; denied access and damaged content are not). A missing object is no failure but `undefined`
 * or absence.
 */

export interface StoredObject {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly modifiedAt: Date
}

export interface PutResult {
  /** False if `ifAbsent` was asked for and an object was there already; nothing was written then. */
  readonly written: boolean
}

/** What `ObjectStore.abandon` did. */
export interface Abandoned {
  readonly removed: number
  readonly pending: readonly { readonly path: string; readonly reason: string }[]
}

export interface ObjectStore {
  /** Where it is, secrets masked; for people. */
  readonly location: string
  /**
   * The whole object, or its bytes from `start` (negative: counted from the end) up to, without, `end` (only with a
   * `start` that is not negative); fewer where the object is shorter. Undefined if there is none.
   */
  get(path: string, range?: { start: number; end?: number }): Promise<Uint8Array | undefined>
  /** Size and time of an object; undefined if there is none. */
  stat(path: string): Promise<StoredObject | undefined>
  /**
   * Writes a small object at once. With `ifAbsent` exactly one of several writers wins, also across machines; when the
   * outcome is unknown the call throws (recoverable, `details.outcome: 'unknown'`) and the caller reads to find out.
   */
  put(path: string, body: Uint8Array, options?: { ifAbsent?: boolean }): Promise<PutResult>
  /**
   * Uploads a local file (multipart where it is large), never over an object that is there (`details.outcome: 'exists'`);
   * checks the stored size. After a failure something may be there: the next attempt needs a path of its own.
   */
  upload(path: string, file: string): Promise<void>
  /** Fetches an object into a local file; undefined if there is none, else its size. */
  download(path: string, file: string): Promise<number | undefined>
  /**
   * Objects under the prefix in order of their paths; `after`: only paths behind this one. Names that no path can be are
   * left out: other programs put them there.
   */
  list(prefix: string, options?: { after?: string }): AsyncIterable<StoredObject>
  /**
   * Removes objects, older versions included; those that are not there count as removed. Returns the paths that could not
   * be removed with the reason (denied, object lock).
   */
  remove(paths: readonly string[]): Promise<readonly { readonly path: string; readonly reason: string }[]>
  /**
   * Paths under the prefix where nothing is any more, but older versions are kept; `remove` tries them again. `reason`: why
   * nobody can tell.
   */
  hidden(prefix: string): Promise<{ readonly paths: readonly string[]; readonly reason: string | null }>
  /**
   * Removes what writers that died have left of objects they did not finish, if it was written to no more for `ageMs`
   * (0 if nobody can be writing: whoever is finds it gone and fails). Returns how many are gone, and what stays with the
   * reason; its path is that of the object where the storage knows it.
   */
  abandon(ageMs: number): Promise<Abandoned>
  close(): Promise<void>
}
