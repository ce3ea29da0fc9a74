/** The W3C text form of a place in a trace, in and out: database column, HTTP and Kafka headers (spec 10 §9). */
import { type Context, context, isSpanContextValid, type SpanContext, trace } from '@opentelemetry/api'

const HEADER = 'traceparent'
const FORM = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/

/** Null for none: nobody records, or the text is not one. */
export function traceparentOf(span: SpanContext | undefined): string | null {
  if (span === undefined || !isSpanContextValid(span)) return null
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 0xff).toString(16).padStart(2, '0')}`
}

/** The context below `parent`; below what is active where there is none, or none that can be read. */
export function contextOf(parent: string | null): Context {
  const span = parent === null ? null : spanContextOf(parent)
  return span === null ? context.active() : trace.setSpanContext(context.active(), span)
}

function spanContextOf(text: string): SpanContext | null {
  const [, traceId, spanId, flags] = FORM.exec(text.trim().toLowerCase()) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return null
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return isSpanContextValid(span) ? span : null
}

/** Where this code is in a trace. */
export const activeTraceparent = (): string | null => traceparentOf(trace.getSpanContext(context.active()))

/** The caller's place in its trace, from headers by lower-case name; null where it sends none that can be read. */
export function traceparentFrom(header: (name: string) => string | null | undefined): string | null {
  const text = header(HEADER)
  const span = text ? spanContextOf(text) : null
  return span === null ? null : traceparentOf(span)
}

/** Headers for calls that belong to the same trace; none where there is none. */
export function traceparentHeaders(parent: string | null = activeTraceparent()): Readonly<Record<string, string>> {
  return parent === null ? {} : { [HEADER]: parent }
}

/** Runs `work` as part of the caller's trace, so that runs submitted in it belong to it. */
export function withTraceparent<T>(parent: string | null, work: () => T): T {
  return context.with(contextOf(parent), work)
}
