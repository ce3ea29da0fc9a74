/** The hot side of tiers over a database in memory. */
import { mergedChanges } from '../../src/adapters/sql/staged-changes.ts'
import { compareText } from '../../src/core/expression/code-points.ts'
import type { Member, TierPort } from '../../src/ports/tiers.ts'
import type { Connection } from './hot-connection.ts'
import { bySequence, rowsIn } from './hot-ledger.ts'
import { adopt, canonicalOf, type HotState, prune, refused, stage } from './hot-state.ts'

export function hotTiers(connection: Connection): TierPort {
  return {
    state: (unit) => connection.run(unit, 'tier state', ({ tier }) => tier),
    // One transaction at a time: whoever has begun holds every lock.
    lock: (unit) => connection.run(unit, 'tier lock', ({ tier }) => tier),
    put: (unit, next) =>
      connection.run(unit, 'tier put', (state) => {
        if (state.tier !== null) state.tier = { ...state.tier, ...next }
      }),
    begin: (unit) =>
      connection.run(unit, 'tier begin', (state) => {
        if (state.tier !== null) return
        state.tier = { pruned: 0, flushed: 0, claimed: 0, tableId: null, tableVersion: null, job: 1, filled: 0 }
        state.fillTo = state.head
      }),
    fill: (unit, limit) =>
      connection.run(unit, 'tier fill', (state) => {
        if (state.tier === null) throw refused('the ledger has one tier')
        const filled = (state.tier.filled ?? state.fillTo) + limit
        state.tier = { ...state.tier, filled: filled >= state.fillTo ? null : filled }
        return state.tier.filled === null
      }),
    rows: ({ after, to, chunk }) =>
      connection.pages({ label: 'tier rows', chunk, compare: bySequence, read: (state) => rowsIn(state, after, to) }),
    prune: (unit, to) => connection.run(unit, `prune ${to}`, (state) => prune(state, to)),
    firstSequence: ({ after, since, until }) =>
      connection.run(null, 'firstSequence', (state) => {
        const rows = rowsIn(state, after, Number.MAX_SAFE_INTEGER)
        const found = rows.find(({ timestamp }) => timestamp !== null && timestamp >= since && timestamp <= until)
        return found?.sequence ?? null
      }),
    adopt: (unit, rows) => connection.run(unit, 'adopt', (state) => adopt(state, rows)),
    members: ({ to, afterEntity, chunk }) =>
      connection.pages({
        label: 'members',
        chunk,
        compare: byMember,
        read: ({ members }) =>
          members.filter((one) => one.sequence <= to && compareText(one.entityId, afterEntity ?? '') > 0),
      }),
    membersIn: (unit, { after, to }) =>
      connection.run(unit, 'membersIn', ({ members }) =>
        members.filter(({ sequence }) => sequence > after && sequence <= to),
      ),
    membersOf: (unit, entityIds, to) => {
      const wanted = new Set(entityIds)
      return connection.run(unit, 'membersOf', ({ members }) =>
        members.filter(({ sequence, entityId }) => sequence <= to && wanted.has(entityId)),
      )
    },
    membersAt: (unit, sequences) =>
      connection.run(unit, 'membersAt', ({ members }) =>
        members.filter(({ sequence }) => sequences.includes(sequence)),
      ),
    sequenceOf: (eventId) => connection.run(null, 'sequenceOf', (state) => canonicalOf(state, eventId)),
    stage: (unit, job, changes) => connection.run(unit, `stage ${job}`, (state) => stage(state, job, changes)),
    countStaged: (unit) => connection.run(unit, 'countStaged', ({ staged }) => staged.length),
    lastStaged: (unit) =>
      connection.run(unit, 'lastStaged', ({ staged }) => Math.max(0, ...staged.map(({ id }) => id))),
    stagedSequences: (job) =>
      connection.run(null, 'stagedSequences', (state) => {
        return [...new Set(upTo(state, job).map(({ sequence }) => sequence))].sort((a, b) => a - b)
      }),
    staged: (job, { from, to }) =>
      connection.run(null, 'staged', (state) => {
        const wanted = upTo(state, job).filter(({ sequence }) => sequence >= from && sequence <= to)
        return mergedChanges(wanted.map(({ sequence, change }) => [sequence, JSON.stringify(change)])).sort(bySequence)
      }),
    dropStaged: (unit, job) =>
      connection.run(unit, `dropStaged ${job}`, (state) => {
        state.staged = state.staged.filter((one) => one.job > job)
      }),
  }
}

/** In the order of their numbers, and of their coming. */
function upTo({ staged }: HotState, job: number): HotState['staged'] {
  return staged.filter((one) => one.job <= job).sort((a, b) => a.job - b.job)
}

function byMember(a: Member, b: Member): number {
  return a.sequence - b.sequence || compareText(a.entityId, b.entityId)
}
