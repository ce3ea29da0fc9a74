/** A process that sends what is due in a space: `node deliver-job.ts <folder>`; for tests that end it in the middle. */
import { deliver } from '../../src/orchestration/alerts/deliver.ts'
import { placeIn, TestSpace, teams } from './orchestration.ts'

const space = await TestSpace.open(placeIn(process.argv[2] as string), teams(), { catchUp: false })
await deliver(space.context)
await space.engine.close()
