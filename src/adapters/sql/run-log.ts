/** The run log over any database (spec 10 §2). */
import type { RunLog } from '../../ports/runs.ts'
import { LoggedChecks } from './run-log-checks.ts'
import type { LogDatabase } from './run-log-database.ts'
import { LoggedInputs } from './run-log-inputs.ts'
import { LoggedLetters } from './run-log-letters.ts'
import { LoggedNotifications } from './run-log-notifications.ts'
import { LoggedRuns } from './run-log-runs.ts'
import { LoggedSchedules } from './run-log-schedules.ts'

export function createRunLog(database: LogDatabase): RunLog {
  const notifications = new LoggedNotifications(database)
  const runs = new LoggedRuns(database, notifications)
  return {
    runs,
    schedules: new LoggedSchedules(database, runs),
    inputs: new LoggedInputs(database),
    letters: new LoggedLetters(database),
    checks: new LoggedChecks(database),
    notifications,
  }
}
