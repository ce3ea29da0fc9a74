/** Paths into JSON that lies in a text column: `$.address.lines[0]`, `$."odd name"` (spec 06 §5.2). */

/** Members by name, elements by index from 0. */
export type JsonStep = string | number

const STEP = /\.([\p{L}_][\p{L}\p{N}_-]*)|\."([^"\\\p{Cc}]+)"|\[(\d{1,9})\]/uy

/** The steps of a path; null if it is none. Names with quotes or backslashes cannot be written. */
export function jsonSteps(path: unknown): readonly JsonStep[] | null {
  if (typeof path !== 'string' || path[0] !== '$') return null
  const steps: JsonStep[] = []
  STEP.lastIndex = 1
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    const found = STEP.exec(path)
    if (found === null) return null
    const [, plain, quoted, index] = found
    steps.push(plain ?? quoted ?? Number(index))
  }
  return steps
}

/** The path with every name quoted, as SQLite and DuckDB read it. */
export function quotedPath(steps: readonly JsonStep[]): string {
  return `$${steps.map((step) => (typeof step === 'number' ? `[${step}]` : `."${step}"`)).join('')}`
}
