/** Helpers for tests of definitions and of storage backends (spec 09 §1, 10 §8). */
export { type FakeClock, fakeClock } from './clock.ts'
export type { Backend, Contract, OpenOptions, Space, TestApi } from './contract/backend.ts'
export { type ObjectContract, type ObjectSpace, objectContract } from './contract/objects.ts'
export { privacyLogContract } from './contract/privacy-log.ts'
export { runLogContract } from './contract/run-log.ts'
export { storeContract } from './contract/store.ts'
export { type CrashMatrix, type CrashMatrixOptions, crashMatrix } from './crash-matrix.ts'
export { type Scenario, type ScenarioResult, scenario } from './scenario.ts'
