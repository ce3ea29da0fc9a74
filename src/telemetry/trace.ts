/**
 * Spans of runs (spec 10 §9): `defacto.run > defacto.step > defacto.chunk`, through the OpenTelemetry API alone. Without a
 * provider in the process nothing is recorded. What belongs together is a text in `runs.traceparent`, so that it survives
 * processes and attempts.
 */
import { type Attributes, context, SpanStatusCode, trace } from '@opentelemetry/api'
import { allowedText } from '../../workflows/allow-list.ts'
import type { Trace } from '../orchestration/contract.ts'
import { contextOf, traceparentOf } from './traceparent.ts'

/** Spans of whatever provider the process has by then. `version`: of this package. */
export function createTrace(version: string): Trace {
  const tracer = trace.getTracer('defacto', version)
  return async (name, attributes, parent, work) => {
    const outer = contextOf(parent)
    const span = tracer.startSpan(name, { attributes: permitted(attributes) }, outer)
    try {
      return await context.with(trace.setSpan(outer, span), () => work(traceparentOf(span.spanContext())))
    } catch (error) {
      // Class and code: messages of drivers may quote what they were given.
      const code = codeOf(error)
      span.setAttribute('error.type', error instanceof Error ? error.name : 'Error')
      if (code !== null) span.setAttribute('defacto.error_code', code)
      span.setStatus({ code: SpanStatusCode.ERROR, ...(code === null ? {} : { message: code }) })
      throw error
    } finally {
      span.end()
    }
  }
}

/** A trace that records nothing and hands its parent through. */
export const noTrace: Trace = (_name, _attributes, parent, work) => work(parent)

/** Ids, names and enumerations, never words of a record (spec 10 §4.7). */
function permitted(attributes: Readonly<Record<string, string | number>>): Attributes {
  const entries = Object.entries(attributes).filter(([, value]) =>
    typeof value === 'number' ? Number.isFinite(value) : allowedText(value),
  )
  return Object.fromEntries(entries.map(([name, value]) => [`defacto.${name}`, value]))
}

function codeOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' && allowedText(code) ? code : null
}
