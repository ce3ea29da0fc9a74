/** Questions about assets, passed or failed (spec 10 §3.7). */
export { type CheckAnswer, type CheckContext, type CheckDefinition, check } from './code.ts'
export { runCheck } from './run.ts'
