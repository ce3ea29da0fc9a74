/** pyarrow as the independent reader of our Arrow tables. Where it cannot be had, importing fails under `CI=true`. */
import { describe } from 'vitest'
import { pythonWithDeltalake } from '../../infra/starters/deltalake.ts'

const python = await pythonWithDeltalake().catch((error: Error) => error)
if (python instanceof Error) {
  if (process.env['CI'] === 'true') throw python
  process.stderr.write(`Left out: tests against pyarrow. ${python.message.split('\n')[0]}\n`)
}

/** `describe` for what needs the judge. */
export const describeArrowJudged = describe.skipIf(python instanceof Error)

/** An interpreter that has pyarrow. */
export function arrowPython(): string {
  if (python instanceof Error) throw python
  return python
}
