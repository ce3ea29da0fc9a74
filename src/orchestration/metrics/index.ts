/** Prometheus metrics of one space (spec 10 §9): a registry per instance, so that several spaces share a process. */
import type { Metrics, Orchestration } from '../contract.ts'

export interface MetricsRegistry extends Metrics {
  /** In the text format of Prometheus. */
  text(): Promise<string>
  readonly contentType: string
  /** Sets the gauges from the state of the database; before `text`, at every scrape. */
  collect(context: Orchestration): Promise<void>
}

/** `namespace`: label of every series. */
export function createMetrics(namespace = 'default'): MetricsRegistry {
  throw new Error(`not written yet: ${namespace}`)
}
