/** `defacto/temporal/workflows`: for workers of others, to export beside workflows of theirs, or as one file (spec 10 §8). */
export * from '../../workflows/index.ts'

/** The file that the package brings; from sources there is none. Without modules of Node, so that it can be bundled. */
export const bundlePath: string = decodeURIComponent(
  /^(?:file:\/\/)?(.*)\/src\/temporal\/[^/]*$/.exec(import.meta.url)?.[1] ?? '.',
).concat('/workflows/bundle.cjs')
