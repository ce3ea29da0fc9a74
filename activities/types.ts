/** What workflows may call, and nothing else of this package that they may know (spec 10 §4.3, §4.8). */
import type {
  ChunkOutcome,
  ClosedRun,
  CloseRequest,
  Joined,
  NextStep,
  OpenedRun,
  Ref,
  SlotDecision,
  SlotRef,
} from '../src/orchestration/contract.ts'

export type {
  ClosedRun,
  CloseRequest,
  NextStep,
  OpenedRun,
  Ref,
  SlotDecision,
  SlotRef,
  StepRef,
} from '../src/orchestration/contract.ts'
export type { Counters, RunOp } from '../src/ports/runs.ts'

/** Short transactions about the life of runs. */
export interface ControlActivities {
  openRun(ref: Ref): Promise<OpenedRun>
  nextStep(ref: Ref): Promise<NextStep>
  decideTick(slot: SlotRef): Promise<SlotDecision>
  joinRun(ref: Ref): Promise<Joined>
  /** Do runs of other parents wait for this one's outcome? Then it is not cancelled with its parent. */
  joinedByOthers(ref: Ref): Promise<boolean>
  closeRun(request: CloseRequest): Promise<ClosedRun>
  /** Whoever has the workflow was asked to stop it: may it, or is its pivot behind it? */
  mayStop(ref: Ref): Promise<boolean>
}

type Step = (ref: Ref) => Promise<ChunkOutcome>

/** Work: every call goes on at the last committed chunk, for at most five minutes. */
export interface StepActivities {
  readonly planInput: Step
  readonly ingestPart: Step
  readonly finishInput: Step
  readonly runCheck: Step
  readonly planBuild: Step
  readonly buildChunks: Step
  readonly tickChunks: Step
  readonly flushChunks: Step
  readonly pruneChunks: Step
  readonly compactChunks: Step
  readonly vacuum: Step
  readonly verifyCold: Step
  readonly pruneMetadata: Step
  readonly exportTables: Step
  readonly freeze: Step
  readonly eraseLocal: Step
  readonly eraseStore: Step
  readonly verifyErasure: Step
  readonly certify: Step
}
export type StepName = keyof StepActivities
export type Activities = ControlActivities & StepActivities
