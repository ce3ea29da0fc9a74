/** Telling somebody (spec 10 §3.8). */
export { type DeliverOptions, deliver, type Sender } from './deliver.ts'
export type { AlertSignal } from './events.ts'
export { failure, inputRecovered, retrying, runRecovered, slotLost, slotStarted, threshold } from './events.ts'
export { notifyFreshness } from './freshness.ts'
export { pulse } from './pulse.ts'
export { alertsFor, alertsOf } from './rules.ts'
