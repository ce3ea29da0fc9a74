/**
 * A person in records that never became events (spec 05 §4.2 no. 14, 19): they may be plain text, a line that nobody could
 * read, in which values have to be found without a structure. Pure.
 */

/** What recognizes a person in JSON values, and changes what may not stay; null: nothing is changed, all of it goes. */
export interface Recognizes {
  mentions(value: unknown): boolean
  readonly treat: ((value: unknown) => unknown) | null
}

/** What is put in place of a text that holds the person somewhere. */
const REMOVED = '[REDACTED]'
/** Separators of the fields of a line: of CSV, logs and torn JSON. */
const FIELDS = /[,;|\t\r\n{}[\]]/
const STRINGS = /"(?:[^"\\\n]|\\.)*"/g
const EDGES = /^[\s"'<>()=:.!?-]+|[\s"'<>()=:.!?]+$/g

/** Whether a record holds the person: anywhere in its structure, or as a word or field of a text. */
export function mentionsIn(subject: Pick<Recognizes, 'mentions'>, raw: unknown): boolean {
  return subject.mentions(raw) || (typeof raw === 'string' && subject.mentions(piecesOf(raw)))
}

/** The record as it may stay after a redaction; the same value if nothing of it changes. */
export function treatedRaw(subject: Recognizes, raw: unknown): unknown {
  if (subject.treat === null) return raw
  if (typeof raw !== 'string') return subject.treat(raw)
  // Where in a text the value ends is not known, nor what else of it is the person's.
  return raw !== REMOVED && mentionsIn(subject, raw) ? REMOVED : raw
}

/** Everything in a text that may be a value: quoted texts, fields between separators, single words, with values behind keys. */
function piecesOf(text: string): string[] {
  const pieces = new Set<string>()
  const add = (piece: string): void => {
    for (const form of [piece.trim(), piece.replace(EDGES, '')]) if (form !== '') pieces.add(form)
  }
  for (const [quoted] of text.matchAll(STRINGS)) {
    add(quoted.slice(1, -1))
    try {
      pieces.add(JSON.parse(quoted) as string)
    } catch {
      // No JSON: as it stands is all it says.
    }
  }
  for (const field of text.split(FIELDS)) {
    add(field)
    for (const value of [field.slice(field.indexOf(':') + 1), field.slice(field.indexOf('=') + 1)]) add(value)
    for (const word of field.split(/\s+/)) {
      add(word)
      for (const value of [word.slice(word.indexOf(':') + 1), word.slice(word.indexOf('=') + 1)]) add(value)
    }
  }
  return [...pieces]
}
