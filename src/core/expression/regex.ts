/** Regular expressions in the RE2 dialect: linear time on any text, no look-around, no back-references (spec 02 §7). */
import { RE2JS } from 're2js'

export interface Regex {
  /** Whether the pattern is found anywhere. */
  test(text: string): boolean
  /** The first group of the first match, or the whole match if there are no groups; null if nothing took part. */
  extract(text: string): string | null
}

/** Throws an `Error` that names what is wrong with the pattern, and its fragment. */
export function compileRegex(pattern: string): Regex {
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(pattern)
  } catch (error) {
    const detail = error instanceof RangeError ? 'nested too deeply' : (error as Error).message
    throw new Error(`invalid regular expression: ${detail.replace(/^error parsing regexp: /, '')}`)
  }
  const group = compiled.groupCount() > 0 ? 1 : 0
  return {
    test: (text) => compiled.test(text),
    extract: (text) => {
      const matcher = compiled.matcher(text)
      return matcher.find() ? matcher.group(group) : null
    },
  }
}
