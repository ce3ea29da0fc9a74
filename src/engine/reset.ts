/** The shared part of reset builds: renormalization, new identity, new mappings (spec 04 §4.4; phases of 10 §4.6). */

import type { DefinitionsObject } from '../core/definition/model.ts'
import type { Directive } from '../core/directive.ts'
import { parseJson } from '../core/expression/json.ts'
import { Grouping } from '../core/grouping.ts'
import { decodeEvent, rehint } from '../core/normalize.ts'
import { readNote } from '../core/privacy/note.ts'
import { compileProgram } from '../core/program.ts'
import type { HintRow, MappingState } from '../ports/store.ts'
import type { EventFailure } from '../results.ts'
import { whileArchiveRests } from './cold/slot.ts'
import { renewedDirectives } from './directives.ts'
import type { Edition, Engine } from './engine.ts'
import { failpoint, unitRows } from './failpoint.ts'
import { normalizationFailure } from './failures.ts'
import { mapUpTo, putMapping } from './mapping.ts'
import { NotedTokens, restoreTokens } from './privacy/lost-tokens.ts'
import { renormalizeChunk } from './renormalize.ts'
import { sayingOf, TokenAliases } from './sayings.ts'
import type { Slot } from './slot.ts'
import type { BuildTally } from './tally.ts'

const CHUNK = unitRows(2000)

/** Changes of archived rows that wait in the database before their files are written anew. */
const SETTLE_ROWS = unitRows(500_000)

/**
 * Brings ledger, identity and mappings to the current definitions. Every phase keeps its position in `mapping_state`, so
 * an interrupted reset goes on where it stopped; live state is untouched throughout. Ids that continue in others are in
 * the merge log afterwards, which is where the swap of a full build finds them. Always concerns the whole ledger: a part
 * left in its old form would be taken for renormalized.
 */
export function resetSpace(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  options: { renormalize: boolean },
  tally: BuildTally,
): Promise<void> {
  return whileArchiveRests(engine, 'reset', slot.signal, () => reset(engine, edition, slot, options, tally))
}

async function reset(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  options: { renormalize: boolean },
  tally: BuildTally,
): Promise<void> {
  const { mapping, ledger } = engine.store
  const { version, program } = edition
  let state = await mapping.state()
  const { sourceHash, identityHash } = program.hashes
  const sameTarget = state.sourceHash === sourceHash && state.identityHash === identityHash
  const enter = async (next: Partial<MappingState>, extra?: 'begin' | 'end'): Promise<void> => {
    state = await slot.unit(version, async (unit) => {
      // Every append is either normalized for the new definitions or below the head that is read next.
      await ledger.holdAppends(unit)
      const entered = await putMapping(engine, unit, next)
      if (extra === 'begin') await ledger.beginRenormalize(unit)
      if (extra === 'end') await ledger.endRenormalize(unit)
      return entered
    })
  }

  if (state.phase === 'rehint' && !sameTarget) await completeHints(engine, slot, state, await ledger.head(), tally)
  // A reset in progress for other definitions is of no use; one for these goes on. The hashes are written first, so that
  // a version whose hashes differ knows that it must reset again.
  if (state.phase === 'idle' || !sameTarget) {
    const buildEpoch = state.buildEpoch + 1
    const begin = { sourceHash, identityHash, buildEpoch, phaseCursor: 0 }
    if (options.renormalize) await enter({ ...begin, phase: 'renormalize' }, 'begin')
    else await enter({ ...begin, phase: 'identity' })
  }
  const upTo = await ledger.head()
  if (state.phase === 'renormalize') {
    await tally.timed('renormalize_ms', () => renormalizeRows(engine, edition, slot, state, upTo, tally))
    await ledger.settle()
    await enter({ phase: 'identity', phaseCursor: 0 }, 'end')
  }
  if (state.phase === 'identity') {
    state = await tally.timed('identity_ms', () => regroup(engine, edition, slot, upTo, tally))
  }
  if (state.phase === 'rehint') {
    await tally.timed('identity_ms', () => rehintRows(engine, edition, slot, state, upTo, tally))
    await ledger.settle()
    await enter({ phase: 'map', phaseCursor: 0 })
  }
  if (state.phase === 'map') {
    await tally.timed('map_ms', () => mapUpTo(engine, edition, slot, upTo, tally))
    state = await mapping.state()
    await enter({ phase: 'idle', phaseCursor: 0 })
  }
}

/**
 * An identity reset for other definitions has renewed the identities, but not yet the hints of all rows. Both must tell
 * the same before ids can be taken over once more.
 */
async function completeHints(
  engine: Engine,
  slot: Slot,
  state: MappingState,
  upTo: number,
  tally: BuildTally,
): Promise<void> {
  const made = (await engine.store.versions.list()).find(
    (row) => row.sourceHash === state.sourceHash && row.identityHash === state.identityHash,
  )
  if (made === undefined) return
  const program = compileProgram(JSON.parse(made.definitions) as DefinitionsObject)
  await rehintRows(engine, { version: made.version, program }, slot, state, upTo, tally)
}

async function renormalizeRows(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  start: MappingState,
  upTo: number,
  tally: BuildTally,
): Promise<void> {
  const { ledger } = engine.store
  for await (const rows of ledger.scan({ after: start.phaseCursor, to: upTo, all: true, chunk: CHUNK })) {
    const { changes, failures } = renormalizeChunk(engine, edition, rows)
    const phaseCursor = rows.at(-1)?.sequence ?? start.phaseCursor
    await slot.unit(edition.version, async (unit) => {
      await ledger.renormalize(unit, changes)
      await putMapping(engine, unit, { phaseCursor })
      failpoint('renormalize.written')
    })
    failpoint('renormalize.committed')
    await ledger.settle({ pending: SETTLE_ROWS })
    tally.failures.push(...failures)
    tally.eventsFailed += failures.reduce((sum, failure) => sum + (failure.advisory ? 0 : 1), 0)
    await engine.report(failures)
    tally.progress('renormalize', phaseCursor, upTo)
  }
}

/** Stores the hints that the current identity rules find in `data`. */
async function rehintRows(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  start: MappingState,
  upTo: number,
  tally: BuildTally,
): Promise<void> {
  const { ledger } = engine.store
  for await (const rows of ledger.scan({ after: start.phaseCursor, to: upTo, chunk: CHUNK, raw: false })) {
    const changed: { sequence: number; hintsJson: string }[] = []
    const failures: EventFailure[] = []
    for (const row of rows) {
      if (row.eventType.startsWith('_defacto_')) continue
      const again = rehint(edition.program, decodeEvent(edition.program, row), engine.now(), readNote(row.redaction))
      if ('error' in again) {
        const failure = { error: again.error, field: again.field, eventType: row.eventType, eventId: row.eventId }
        const at = { source: row.source, now: engine.now(), sequence: row.sequence, version: edition.version }
        const raw = (await ledger.raws([row.sequence])).get(row.sequence)
        failures.push(normalizationFailure({ value: raw === undefined ? null : parseJson(raw) }, failure, at))
        changed.push({ sequence: row.sequence, hintsJson: '{}' })
      } else if (again.hintsJson !== row.hints) {
        changed.push({ sequence: row.sequence, hintsJson: again.hintsJson })
      }
    }
    const phaseCursor = rows.at(-1)?.sequence ?? start.phaseCursor
    await slot.unit(edition.version, async (unit) => {
      await ledger.updateHints(unit, changed)
      await putMapping(engine, unit, { phaseCursor })
      failpoint('hints.written')
    })
    await ledger.settle({ pending: SETTLE_ROWS })
    tally.failures.push(...failures)
    tally.eventsFailed += failures.length
    await engine.report(failures)
  }
}

/**
 * Groups the hints of the whole ledger, extracted again under the current identity rules, and stores the result with
 * stable ids in one step. The hints a row has now tell which old id continues in which group.
 */
async function regroup(
  engine: Engine,
  edition: Edition,
  slot: Slot,
  upTo: number,
  tally: BuildTally,
): Promise<MappingState> {
  const { ledger, identity } = engine.store
  const { program } = edition
  const grouping = new Grouping()
  const aliases = await TokenAliases.of(engine)
  const directives = new Map<number, Directive>()
  const noted = new NotedTokens()
  for await (const rows of ledger.scan({ after: 0, to: upTo, raw: false })) {
    for (const row of rows) noted.add(row)
    const said = rows.flatMap((row) => sayingOf(program, row, engine.now()) ?? [])
    for (const { sequence, hints, groups, previous, directive } of (await aliases?.apply(said)) ?? said) {
      if (directive === null) grouping.add(hints, groups, previous)
      else {
        grouping.directive(directive)
        directives.set(sequence, directive)
      }
    }
  }
  const old: HintRow[] = []
  for await (const rows of identity.all()) old.push(...rows)
  const components = grouping.components(old, engine.newId)
  const renewed = await renewedDirectives(engine, directives, components)
  const lost = await noted.lost(engine, components.idOf)
  const next = await slot.unit(edition.version, async (unit) => {
    await identity.reset(unit, components.rows(), components.retired)
    await restoreTokens(engine, unit, lost)
    if (renewed.length > 0) await ledger.treat(unit, renewed)
    const entered = await putMapping(engine, unit, { phase: 'rehint', phaseCursor: 0, mappedUpto: 0 })
    failpoint('reset.written')
    return entered
  })
  failpoint('reset.committed')
  tally.mergesDetected += components.retired.length
  return next
}
