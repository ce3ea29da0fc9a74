/** Reading inputs into the ledger (spec 10 §3.2–3.3): the steps of an ingest run, in this order. */
export { finishInput } from './finish.ts'
export { hasNewParts, planInput } from './plan.ts'
export { ingestPart } from './read.ts'
export { type PartWindow, windowParts } from './window.ts'
