/** SQL text under construction: pieces of text and bound values in reading order. Values never become text. */

export interface Bound {
  /** What the driver is given. */
  readonly value: unknown
}
export type Fragment = readonly (string | Bound)[]

/** Tagged template: strings are SQL text, fragments are spliced in. */
export function text(strings: TemplateStringsArray, ...parts: readonly (Fragment | string)[]): Fragment {
  const out: (string | Bound)[] = []
  strings.forEach((string, i) => {
    if (string !== '') out.push(string)
    const part = parts[i]
    if (part === undefined) return
    if (typeof part === 'string') out.push(part)
    else for (const piece of part) out.push(piece)
  })
  return out
}

export function bound(value: unknown): Fragment {
  return [{ value }]
}

export function join(parts: readonly Fragment[], separator: string): Fragment {
  const out: (string | Bound)[] = []
  parts.forEach((part, i) => {
    if (i > 0) out.push(separator)
    for (const piece of part) out.push(piece)
  })
  return out
}

/** The finished statement; `placeholder` gets the 1-based number of the parameter. */
export function finish(
  fragment: Fragment,
  placeholder: (index: number) => string,
): { text: string; params: unknown[] } {
  const params: unknown[] = []
  let sql = ''
  for (const piece of fragment) {
    if (typeof piece === 'string') sql += piece
    else {
      params.push(piece.value)
      sql += placeholder(params.length)
    }
  }
  return { text: sql, params }
}
