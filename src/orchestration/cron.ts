/** Slots of schedules (spec 10 §3.5); the checks of definitions need them too, so they stand in the core. */
export { nextSlots, previousSlot, slotsBetween } from '../core/pipeline/slots.ts'
