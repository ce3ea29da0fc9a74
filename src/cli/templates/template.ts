/** A template: what it shows, its files by path, and the command lines to try first. */
export interface Template {
  readonly summary: string
  /** Text by path, relative to the project; modelines and settings are added by `init`. */
  readonly files: Readonly<Record<string, string>>
  readonly next: readonly string[]
}

/** JSON Lines from objects. */
export function ndjson(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}
