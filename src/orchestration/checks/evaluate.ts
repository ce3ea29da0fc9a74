/** One check, whatever its kind. */
import type { CheckDef } from '../model.ts'
import { accepted, notNull, rowCount, sql, unique } from './rows.ts'
import type { Scope, Verdict } from './scope.ts'
import { danglingEdges, historyValid, replayConsistent } from './state.ts'
import {
  coldComplete,
  deadLetterRate,
  erasuresClosed,
  fresh,
  inputsHeld,
  mergeSpike,
  pendingEvents,
  unresolvedRate,
} from './work.ts'

export function evaluate(scope: Scope, check: CheckDef): Promise<Verdict> {
  switch (check.kind) {
    case 'history_valid':
      return historyValid(scope, check)
    case 'dangling_edges':
      return danglingEdges(scope, check)
    case 'replay_consistent':
      return replayConsistent(scope, check)
    case 'row_count':
      return rowCount(scope, check)
    case 'not_null':
      return notNull(scope, check)
    case 'unique':
      return unique(scope, check)
    case 'accepted':
      return accepted(scope, check)
    case 'dead_letter_rate':
      return deadLetterRate(scope, check)
    case 'unresolved_rate':
      return unresolvedRate(scope, check)
    case 'merge_spike':
      return mergeSpike(scope, check)
    case 'pending_events':
      return pendingEvents(scope, check)
    case 'inputs_held':
      return inputsHeld(scope, check)
    case 'cold_complete':
      return coldComplete(scope, check)
    case 'erasures_closed':
      return erasuresClosed(scope, check)
    case 'fresh':
      return fresh(scope, check)
    case 'sql':
      return sql(scope, check)
  }
}
