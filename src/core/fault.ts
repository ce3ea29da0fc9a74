/** Why one unit of work (a record, an event for an entity, a firing) fails; caught inside core, never thrown out of it. */
import { EvaluationError } from './expression/errors.ts'

/** Cheap to throw (no stack); the message never contains values of events. */
export class Fault {
  readonly message: string
  readonly field: string | null
  constructor(message: string, field: string | null) {
    this.message = message
    this.field = field
  }
}

/** The fault behind anything thrown while working on `field`; rethrows what is no fault of the data. */
export function faultOf(thrown: unknown, field: string | null): Fault {
  if (thrown instanceof Fault) return thrown
  if (thrown instanceof EvaluationError) return new Fault(thrown.message, field)
  // The host refuses texts and lists beyond its limits; that is the record's fault, not ours.
  if (thrown instanceof RangeError) return new Fault('value too large', field)
  throw thrown
}
