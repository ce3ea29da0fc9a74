/** Prometheus metrics of one space (spec 10 §9): a registry per instance, so that several spaces share a process. */

import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Metrics, Orchestration } from '../contract.ts'
import { readGauges } from './collect.ts'
import { METRICS } from './names.ts'

export interface MetricsRegistry extends Metrics {
  /** In the text format of Prometheus. */
  text(): Promise<string>
  readonly contentType: string
  /**
   * Sets the gauges from the state of the database; before `text`, at every scrape. Rejects if it does not answer: what
   * is not known then is left out, the rest stays.
   */
  collect(context: Orchestration): Promise<void>
  /** Ends the measuring of the event loop. */
  close(): void
}

type Labels = Readonly<Record<string, string>>

/** `namespace`: label of every series. */
export function createMetrics(namespace = 'default'): MetricsRegistry {
  return new PrometheusMetrics(namespace)
}

class PrometheusMetrics implements MetricsRegistry {
  readonly #registry: Registry
  readonly #counters = new Map<string, Counter>()
  readonly #histograms = new Map<string, Histogram>()
  readonly #gauges = new Map<string, Gauge>()
  /** Measured from the first scrape on: where nobody looks, nothing wakes the process. */
  #loop: ReturnType<typeof monitorEventLoopDelay> | null = null

  constructor(namespace: string) {
    // Who never counts anything does not wait for the library.
    const { Counter, Gauge, Histogram, Registry } = createRequire(import.meta.url)(
      'prom-client',
    ) as typeof import('prom-client')
    this.#registry = new Registry()
    this.#registry.setDefaultLabels({ namespace })
    const registers = [this.#registry]
    for (const [name, { kind, help, labels, buckets }] of Object.entries(METRICS)) {
      const shape = { name, help, labelNames: [...labels], registers }
      if (kind === 'counter') this.#counters.set(name, new Counter(shape))
      else if (kind === 'gauge') this.#gauges.set(name, new Gauge(shape))
      else this.#histograms.set(name, new Histogram({ ...shape, buckets: [...(buckets ?? [])] }))
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  count(name: string, labels: Labels, by = 1): void {
    known(this.#counters, name).inc(labels, by)
  }

  observe(name: string, labels: Labels, value: number): void {
    known(this.#histograms, name).observe(labels, value)
  }

  gauge(name: string, labels: Labels, value: number): void {
    known(this.#gauges, name).set(labels, value)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  async collect(context: Orchestration): Promise<void> {
    for (const [name, { collected, labels }] of Object.entries(METRICS)) {
      if (!collected) continue
      const gauge = known(this.#gauges, name)
      gauge.reset()
      // One without labels would stay, and say 0: a deadline that is due now.
      if (labels.length === 0) gauge.remove()
    }
    this.gauge('defacto_event_loop_delay_seconds', {}, this.#loopDelay())
    for (const { name, labels, value } of await readGauges(context)) this.gauge(name, labels, value)
  }

  #loopDelay(): number {
    if (this.#loop === null) {
      this.#loop = monitorEventLoopDelay({ resolution: 20 })
      this.#loop.enable()
    }
    const delay = this.#loop.count === 0 ? 0 : this.#loop.percentile(99) / 1e9
    this.#loop.reset()
    return delay
  }

  close(): void {
    this.#loop?.disable()
    this.#registry.clear()
  }
}

function known<T>(metrics: ReadonlyMap<string, T>, name: string): T {
  const found = metrics.get(name)
  if (found === undefined) throw new TypeError(`there is no metric '${name}' of this kind`)
  return found
}
