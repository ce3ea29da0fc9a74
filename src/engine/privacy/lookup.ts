/**
 * Looking hints up where some were redacted: an identity row then holds a token, so the plain value is tried first and its
 * token after it (spec 05 §5.3).
 */
import { type HintedEvent, hintKey } from '../../core/identity.ts'
import type { Digests } from '../../core/privacy/digest.ts'
import type { HintKey, HintRow, Unit } from '../../ports/store.ts'
import type { Engine } from '../engine.ts'

/** Ids of known hints, in input order; undefined where unknown. Plain values find redacted ones, too. */
export async function lookupHints(
  engine: Engine,
  unit: Unit | null,
  keys: readonly HintKey[],
): Promise<(string | undefined)[]> {
  const { identity } = engine.store
  const found = await identity.lookup(unit, keys)
  const missing = keys.flatMap((_, index) => (found[index] === undefined ? [index] : []))
  if (missing.length === 0 || !(await identity.hasTokens(unit))) return found
  const digests = await engine.digests()
  const tokens = missing.map((index) => tokenKey(digests, keys[index] as HintKey))
  const again = await identity.lookup(unit, tokens)
  for (const [position, index] of missing.entries()) found[index] = again[position]
  return found
}

/** The same hint as it stands in the identity table once it was redacted. */
function tokenKey(digests: Digests, key: HintKey): HintKey {
  return { ...key, value: digests.token(key.value) }
}

/** Everybody with this hint value, plain or redacted, the oldest first. */
export async function lookupValue(
  engine: Engine,
  value: string,
  filter: { entityType?: string; hintType?: string } = {},
): Promise<HintRow[]> {
  const { identity } = engine.store
  const plain = await identity.lookupAll(value, filter)
  if (!(await identity.hasTokens(null))) return plain
  const redacted = await identity.lookupAll((await engine.digests()).token(value), filter)
  const seen = new Set(plain.map(rowKey))
  // Ids do not tell who is older, and what is found both ways is rare.
  return [...plain, ...redacted.filter((row) => !seen.has(rowKey(row)))]
}

function rowKey({ entityType, hintType, entityId }: HintRow): string {
  return hintKey(entityType, hintType, entityId)
}

/**
 * The events with tokens in place of plain hints that were redacted: the same person is then one hint, whether an event
 * brings the value or its token, and no plain value is stored beside a token.
 */
export async function withTokens(
  engine: Engine,
  unit: Unit,
  events: readonly HintedEvent[],
  keys: ReadonlyMap<string, HintKey>,
  known: ReadonlyMap<string, string>,
): Promise<{ events: readonly HintedEvent[]; known: ReadonlyMap<string, string> }> {
  const { identity } = engine.store
  const unknown = [...keys].filter(([key]) => !known.has(key))
  if (unknown.length === 0 || !(await identity.hasTokens(unit))) return { events, known }
  const digests = await engine.digests()
  const tokens = unknown.map(([, key]) => tokenKey(digests, key))
  const ids = await identity.lookup(unit, tokens)
  const all = new Map(known)
  const standIns = new Map<string, string>()
  for (const [index, [plain]] of unknown.entries()) {
    const token = tokens[index] as HintKey
    const key = hintKey(token.entityType, token.hintType, token.value)
    const id = ids[index]
    if (id !== undefined) all.set(key, id)
    // Nobody has it yet, but an event of this very batch brings its token.
    if (id !== undefined || keys.has(key)) standIns.set(plain, token.value)
  }
  if (standIns.size === 0) return { events, known }
  const replace = (entityType: string, hints: Readonly<Record<string, string>>): Record<string, string> => {
    const replaced = Object.entries(hints).map(([hintType, value]) => {
      return [hintType, standIns.get(hintKey(entityType, hintType, value)) ?? value]
    })
    return Object.fromEntries(replaced) as Record<string, string>
  }
  return {
    known: all,
    events: events.map(({ sequence, hints, groups }) => ({
      sequence,
      hints: Object.fromEntries(Object.entries(hints).map(([type, own]) => [type, replace(type, own)])),
      groups: groups.map(({ entityType, hints: own }) => ({ entityType, hints: replace(entityType, own) })),
    })),
  }
}
