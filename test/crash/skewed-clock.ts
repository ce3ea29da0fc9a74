/** Loaded before everything else, this sets the clock of the process wrong by `CLOCK_OFFSET_MS`. */
const offset = Number(process.env['CLOCK_OFFSET_MS'])
const RightDate = Date

class SkewedDate extends RightDate {
  constructor(...args: ConstructorParameters<DateConstructor> | []) {
    super(...((args.length === 0 ? [RightDate.now() + offset] : args) as [number]))
  }

  static override now(): number {
    return RightDate.now() + offset
  }
}

globalThis.Date = SkewedDate as DateConstructor
