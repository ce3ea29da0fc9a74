/** The way to a Neo4j server: its driver, loaded when somebody asks for one, and its failures as ours. */
import type { Driver, ManagedTransaction, default as Neo4jModule, Session } from 'neo4j-driver'
import { ConfigError, DefactoError, QueryError, StorageError, UnreachableError } from '../../errors.ts'
import type { ReadOptions } from '../../ports/reading.ts'
import { type Login, type Neo4jAddress, neo4jAddress } from './address.ts'

export type Neo4j = typeof Neo4jModule
export type Params = Readonly<Record<string, unknown>>
/** Runs Cypher in the transaction it belongs to; rows by their names. */
export type Run = (cypher: string, params?: Params) => Promise<Record<string, unknown>[]>

/** A transaction that was in somebody's way, or lost its connection, is tried again for so long. */
const RETRY_MS = 30_000
const CONNECT_MS = 10_000

export class Neo4jServer {
  readonly neo4j: Neo4j
  /** For people: no password. */
  readonly shown: string
  readonly #driver: Driver
  readonly #database: { readonly database: string } | undefined
  #reached = false

  private constructor(neo4j: Neo4j, address: Neo4jAddress) {
    const { uri, login, database, shown } = address
    this.neo4j = neo4j
    this.shown = shown
    this.#database = database === null ? undefined : { database }
    try {
      this.#driver = neo4j.driver(uri, login === null ? undefined : neo4j.auth.basic(...login), {
        useBigInt: true,
        connectionTimeout: CONNECT_MS,
        maxTransactionRetryTime: RETRY_MS,
        telemetryDisabled: true,
        userAgent: 'defacto',
      })
    } catch {
      // Its words may repeat the address.
      throw new ConfigError(`the Neo4j address ${shown} has parameters that the driver does not take`)
    }
  }

  /** Connects with the first statement. */
  static async open(url: string, auth?: Login): Promise<Neo4jServer> {
    const address = neo4jAddress(url, auth)
    return new Neo4jServer(await loadDriver(), address)
  }

  /** In one transaction; again from the start when it was in somebody's way or its connection was cut. */
  write<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.#session('WRITE', (session) => session.executeWrite((tx) => work(runner(tx))))
  }

  read<T>(work: (run: Run) => Promise<T>, { timeoutMs, signal }: ReadOptions = {}): Promise<T> {
    const timeout = timeoutMs === undefined ? undefined : { timeout: timeoutMs }
    return this.#session('READ', (session) => {
      signal?.throwIfAborted()
      // Ends the transaction on the server too.
      const stop = (): void => void session.close().catch(() => undefined)
      signal?.addEventListener('abort', stop, { once: true })
      const done = session.executeRead((tx) => work(runner(tx)), timeout)
      return done
        .catch((error) => {
          signal?.throwIfAborted()
          throw error
        })
        .finally(() => signal?.removeEventListener('abort', stop))
    })
  }

  close(): Promise<void> {
    return this.#driver.close()
  }

  async #session<T>(mode: 'READ' | 'WRITE', work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#driver.session({ defaultAccessMode: this.neo4j.session[mode], ...this.#database })
    try {
      // A server that cannot be reached at all is told of at once; later its connections are tried again.
      if (!this.#reached) await this.#driver.verifyConnectivity(this.#database)
      this.#reached = true
      return await work(session)
    } catch (error) {
      throw failure(error, this.shown)
    } finally {
      await session.close().catch(() => undefined)
    }
  }
}

function runner(tx: ManagedTransaction): Run {
  return async (cypher, params = {}) => {
    const { records } = await tx.run(cypher, params)
    return records.map((record) => record.toObject() as Record<string, unknown>)
  }
}

async function loadDriver(): Promise<Neo4j> {
  try {
    return (await import('neo4j-driver')).default
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ConfigError(
      'Neo4j needs the package neo4j-driver, which is not installed: npm install --include=optional',
      { code: 'E_CONFIG_DRIVER', details: { package: 'neo4j-driver' }, cause: error },
    )
  }
}

/** The driver's failure as ours. What the server says of a statement is kept: only people's own Cypher is told of so. */
function failure(error: unknown, shown: string): unknown {
  const { code, message } = error as { code?: unknown; message?: string }
  if (error instanceof DefactoError || typeof code !== 'string') return error
  const details = { driver: 'neo4j', neo4jCode: code }
  if (code === 'ServiceUnavailable' || code === 'SessionExpired') {
    return new UnreachableError(`the connection to Neo4j at ${shown} failed; check that the server can be reached`, {
      details,
      cause: error,
    })
  }
  if (code.startsWith('Neo.ClientError.Security.')) {
    return new StorageError(`Neo4j at ${shown} refuses this user; check name and password`, { details, cause: error })
  }
  if (code === 'Neo.ClientError.Database.DatabaseNotFound') {
    return new StorageError(`there is no database of this name at ${shown}`, { details, cause: error })
  }
  if (code === 'Neo.ClientError.Procedure.ProcedureNotFound' && /[`\s]gds\./.test(message ?? '')) {
    const missing = `Neo4j at ${shown} has no Graph Data Science library (GDS), which gds.* procedures belong to`
    return new QueryError(`${missing}; install its plugin, or use the analytics of graph, which need none`, {
      code: 'E_QUERY_GRAPH',
      details,
      cause: error,
    })
  }
  if (/^Neo\.ClientError\.Transaction\.TransactionTimedOut/.test(code)) {
    return new QueryError('the graph query took longer than its time limit', {
      code: 'E_TIMEOUT',
      details,
      recoverable: true,
      cause: error,
    })
  }
  if (/^Neo\.ClientError\.(Statement|Procedure)\./.test(code)) {
    return new QueryError(`Neo4j refuses the query: ${message} (${code})`, {
      code: 'E_QUERY_GRAPH',
      details,
      cause: error,
    })
  }
  const recoverable = code.startsWith('Neo.TransientError.')
  const again = recoverable ? '; try again' : ''
  return new StorageError(`Neo4j at ${shown} could not carry out the operation (${code})${again}`, {
    details,
    recoverable,
    cause: error,
  })
}
