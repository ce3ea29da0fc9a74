/** Pipelines as runs read them; the definitions' own checks need them too, so they stand in the core. */
export * from '../core/pipeline/model.ts'
