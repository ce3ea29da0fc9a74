/** Collecting the findings of a check, with their places. */
import type { Issue } from './model.ts'
import { describePath, type Path, pathText } from './path.ts'

/** Where a value of the definitions stands in its file: `file:line:column`, or null without files. */
export interface Places {
  at(path: Path, part?: 'key' | 'value'): string | null
}

export const NO_PLACES: Places = { at: () => null }

/** Collects issues in the order they are found. The letter of the code decides the severity. */
export class Issues {
  readonly list: Issue[] = []
  readonly #places: Places

  constructor(places: Places = NO_PLACES) {
    this.#places = places
  }

  /** `message` is put behind the words of the path; `part` says which half of a map entry is meant. */
  add(code: string, path: Path, message: string, part: 'key' | 'value' = 'value'): void {
    const where = describePath(path)
    this.list.push({
      severity: /^P?W/.test(code) ? 'warning' : 'error',
      code,
      path: pathText(path),
      message: where === '' ? message : `${where}: ${message}`,
      place: this.#places.at(path, part),
    })
  }
}
