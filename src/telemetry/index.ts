/** Tracing (spec 10 §9): spans of runs for whoever has a provider, and a provider of our own for the command line. */
export { type OtlpOptions, otlpOptions, startTelemetry, type Telemetry } from './otlp.ts'
export { createTrace, noTrace } from './trace.ts'
export {
  activeTraceparent,
  traceparentFrom,
  traceparentHeaders,
  traceparentOf,
  withTraceparent,
} from './traceparent.ts'
