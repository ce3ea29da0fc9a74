/** The body of a pipeline as reading gives it: keys as written, nulls left out, kinds told apart (spec 10 §3). */
import type { z } from 'zod'
import type { Issues } from '../definition/issues.ts'
import { readerOf } from '../definition/read.ts'
import { type alertTargets, bodyShape, type checkKinds, type inputKinds, type stepKinds } from './shape.ts'

type Infer<T extends Readonly<Record<string, z.ZodType>>> = { [K in keyof T]: z.infer<T[K]> }
type Told<T> = { [K in keyof T]: { readonly kind: K; readonly body: T[K] } }[keyof T]

export type InputBody = Infer<typeof inputKinds>[keyof typeof inputKinds]
export type StepBody = Told<Infer<typeof stepKinds>>
type CheckBodies = Infer<typeof checkKinds>
export type KindCheckBody = CheckBodies[Exclude<keyof CheckBodies, 'sql'>]
export type SqlCheckBody = CheckBodies['sql']
export type TargetBody = Told<Infer<typeof alertTargets>>

type Shape = z.infer<typeof bodyShape>
export type AlertBody = Omit<NonNullable<Shape['alerts']>[number], 'to'> & { readonly to: TargetBody }
export interface PipelineBody extends Omit<Shape, 'inputs' | 'steps' | 'checks' | 'alerts'> {
  readonly inputs?: Readonly<Record<string, InputBody>>
  readonly steps: readonly StepBody[]
  readonly checks?: Readonly<Record<string, KindCheckBody | SqlCheckBody>>
  readonly alerts?: readonly AlertBody[]
}

/** Reads a body; where `issues` gets errors, what could not be used is missing, required keys included. */
export function readBody(raw: unknown, name: string, issues: Issues): PipelineBody | undefined {
  return readerOf(bodyShape)(raw, ['pipelines', name], issues) as PipelineBody | undefined
}

/** True for checks that are a query. */
export function isSqlCheck(body: KindCheckBody | SqlCheckBody): body is SqlCheckBody {
  return 'sql' in body && body.sql !== undefined
}
