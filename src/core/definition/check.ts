/** What all checks of a definition set share: the set, the findings, and what reading could not use. */
import { Issues } from './issues.ts'
import type { Loaded } from './load.ts'
import type { DefinitionsObject } from './model.ts'
import { type Path, pathText } from './path.ts'

export class Check {
  /** Canonical, but with parts missing where reading reported errors: every check allows for that. */
  readonly definitions: DefinitionsObject
  readonly issues: Issues
  /** References to other definitions cannot be judged: this is a part of a set. */
  readonly partial: boolean
  readonly #errorPaths: readonly string[]
  readonly #unusable: ReadonlySet<string>

  constructor(loaded: Loaded) {
    this.definitions = loaded.definitions
    this.partial = loaded.partial
    this.issues = new Issues(loaded.places)
    const errors = loaded.issues.filter((issue) => issue.severity === 'error')
    this.#errorPaths = errors.map((issue) => issue.path)
    this.#unusable = new Set(errors.filter((issue) => issue.code === 'E01').map((issue) => issue.path))
  }

  /** Reading reported an error at or below this path: conclusions from what is missing there would mislead. */
  damaged(path: Path): boolean {
    const prefix = pathText(path)
    return this.#errorPaths.some(
      (error) => error === prefix || (error.startsWith(prefix) && /^[.[]/.test(error.slice(prefix.length))),
    )
  }

  /** The whole value at this path had the wrong kind and was left out. */
  unusable(path: Path): boolean {
    return this.#unusable.has(pathText(path))
  }
}
