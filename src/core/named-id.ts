/**
 * Ids in messages. People write a mail address where an id belongs, and messages are kept in logs: only what has the form of
 * an id is repeated.
 */

const ID = /^(?:[a-z]_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function isId(text: string): boolean {
  return ID.test(text)
}

/** `entity '6f1c…'`, or `entity with this id`. */
export function named(what: string, id: string): string {
  return isId(id) ? `${what} '${id}'` : `${what} with this id`
}

/** `details` of an error: the id where it is one. */
export function idDetails(key: string, id: string): Readonly<Record<string, string>> {
  return isId(id) ? { [key]: id } : {}
}
