/**
 * What may travel through the orchestrator (spec 10 §4.7): numbers, truth values, nothing, and text of ids, instants,
 * enumerations and codes. No names of people, no addresses, no sentences fit in it.
 */
const TEXT = /^[A-Za-z0-9_.:/-]{0,128}$/
const MOST_BYTES = 8192

export const allowedText = (text: string): boolean => TEXT.test(text)

/** Where a value holds something else: never the thing itself. Null: nowhere. */
export function forbidden(value: unknown, where: string): string | null {
  const found = look(value, where)
  if (found !== null) return found
  const size = value === undefined ? 0 : JSON.stringify(value).length
  return size > MOST_BYTES ? `${where} has ${size} bytes of at most ${MOST_BYTES}` : null
}

function look(value: unknown, where: string): string | null {
  if (value === null || value === undefined || typeof value === 'boolean') return null
  if (typeof value === 'number') return Number.isFinite(value) ? null : `${where} is no finite number`
  if (typeof value === 'string') return allowedText(value) ? null : `${where} is text other than ids and codes`
  if (typeof value !== 'object') return `${where} is a ${typeof value}`
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = look(item, `${where}/${index}`)
      if (found !== null) return found
    }
    return null
  }
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null
  // Objects of another realm (the workflow's) have a prototype of theirs, so its name decides.
  if (prototype !== null && prototype.constructor?.name !== 'Object') return `${where} is no plain object`
  for (const [key, item] of Object.entries(value)) {
    if (!allowedText(key)) return `${where} has a key other than ids and codes`
    const found = look(item, `${where}/${key}`)
    if (found !== null) return found
  }
  return null
}
