/**
 * Random cases are the same on every machine and run, so that a red test means a change and not a new dice roll.
 * `DEFACTO_SEED=random npm test` explores, `DEFACTO_SEED=<number>` repeats what such a run reported.
 */
import fc from 'fast-check'

const wanted = process.env['DEFACTO_SEED'] ?? '20261121'
if (wanted !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) })
