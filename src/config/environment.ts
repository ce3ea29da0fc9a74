/** `DEFACTO_*` variables as a layer of configuration (spec 10 §7.2): key path in capitals, levels split by `__`. */

/** Variables with a meaning of their own, outside the keys. */
const RESERVED = new Set(['CONFIG', 'PROFILE', 'PROJECT', 'FAILPOINT', 'TEMPORAL_CLI'])

/** Nested map of the variables; an unknown name is found by the check of the layer. */
export function environmentValues(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(env).sort()) {
    const text = env[name]
    if (!name.startsWith('DEFACTO_') || text === undefined || text === '') continue
    const rest = name.slice('DEFACTO_'.length)
    if (RESERVED.has(rest)) continue
    const levels = rest.toLowerCase().split('__')
    let at = values
    for (const level of levels.slice(0, -1)) {
      const inner = at[level]
      // `DEFACTO_COLD_LEDGER` (short form) beside `DEFACTO_COLD_LEDGER__FLUSH_EVERY_MS`: the text means its `url`.
      const next: Record<string, unknown> =
        typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}
      if (typeof inner === 'string') next['url'] = inner
      at[level] = next
      at = next
    }
    at[levels.at(-1) as string] = text
  }
  return { ...values }
}

/** `['cold_ledger', 'url']` → `DEFACTO_COLD_LEDGER__URL`. */
export function variableOf(spelled: readonly string[]): string {
  return spelled.length === 0 ? 'DEFACTO_*' : `DEFACTO_${spelled.map((key) => key.toUpperCase()).join('__')}`
}
