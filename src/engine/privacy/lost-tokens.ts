/**
 * Tokens that the notes of rows tell and the identity table does not know as such (spec 05 §5.3): what a database knew of
 * redactions is lost with it, and its archive still says which hints were redacted.
 */
import { hintKey } from '../../core/identity.ts'
import { readNote } from '../../core/privacy/note.ts'
import type { FullLedgerRow, HintKey, HintRow, Unit } from '../../ports/store.ts'
import type { Engine } from '../engine.ts'

export class NotedTokens {
  readonly #keys = new Map<string, HintKey>()

  add({ redaction }: Pick<FullLedgerRow, 'redaction'>): void {
    for (const [entityType, fields] of Object.entries(readNote(redaction)?.hints ?? {})) {
      for (const [hintType, value] of Object.entries(fields)) {
        this.#keys.set(hintKey(entityType, hintType, value), { entityType, hintType, value })
      }
    }
  }

  /** Those that belong to an entity and are not known; asked for before the table is replaced. */
  async lost(
    engine: Engine,
    idOf: (entityType: string, hintType: string, value: string) => string | undefined,
  ): Promise<readonly HintRow[]> {
    if (this.#keys.size === 0) return []
    const values = [...new Set([...this.#keys.values()].map(({ value }) => value))]
    const known = new Set((await engine.store.identity.tokens(null, values)).map(({ value }) => value))
    return [...this.#keys.values()].flatMap((key) => {
      const entityId = idOf(key.entityType, key.hintType, key.value)
      return entityId === undefined || known.has(key.value) ? [] : [{ ...key, entityId }]
    })
  }
}

/** Makes them known again. Nobody knows any more whether later events were to be treated; so they are. */
export async function restoreTokens({ store }: Engine, unit: Unit, lost: readonly HintRow[]): Promise<void> {
  if (lost.length === 0) return
  const rows = lost.map((row) => ({ ...row, token: row.value }))
  await store.identity.redact(unit, rows, true)
  await store.ledger.guard(unit, { treating: true })
}
