/**
 * One rule of the spec with the test that proves it. `check` must pass on the code as it is and throw when the rule is
 * switched off by replacing `find` with `replace` in `file` (both run by `rules.test.ts`).
 * No imports from vitest here: checks also run in plain Node on mutated sources.
 */
export interface Rule {
  /** From the committed table `ids.ts`: `E05`, `W03`, `fn.str::trim`, `coerce.String.integer`, `eq.1`, … */
  id: string
  spec: string
  off: { file: string; find: string; replace: string }
  check(): void | Promise<void>
}
