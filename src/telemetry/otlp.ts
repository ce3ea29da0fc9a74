/**
 * Spans to an OTLP/HTTP receiver, for the command line and the worker alone: what is registered here belongs to the whole
 * process, and a library does not do that to its host. Opt-in by `telemetry.otlp` (spec 10 §7.2, §9).
 */
import { z } from 'zod'
import { ConfigError } from '../errors.ts'
import type { LogTarget } from '../ports/logger.ts'

const URL_TEXT = z.url({ protocol: /^https?$/ })
const OTLP = z.union([
  URL_TEXT.transform((endpoint) => ({ endpoint })),
  // `true`: the variables OTEL_EXPORTER_OTLP_… say where.
  z.literal(true).transform(() => ({})),
  z
    .strictObject({
      endpoint: URL_TEXT.optional(),
      headers: z.record(z.string(), z.string()).optional(),
      // In YAML words are divided by lines, in code by capitals.
      service_name: z.string().min(1).optional(),
      serviceName: z.string().min(1).optional(),
      /** Share of the traces that start here which is recorded. */
      ratio: z.number().min(0).max(1).optional(),
    })
    .transform(({ service_name: name, ...rest }) => (name === undefined ? rest : { serviceName: name, ...rest })),
])

export interface OtlpOptions {
  readonly endpoint?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly serviceName?: string
  readonly ratio?: number
}

/** Checks `telemetry.otlp`; null: not wanted. */
export function otlpOptions(value: unknown): OtlpOptions | null {
  if (value === undefined || value === null || value === false) return null
  const read = OTLP.safeParse(value)
  if (read.success) return read.data
  throw new ConfigError(
    'telemetry.otlp is the address of a receiver (http://localhost:4318), true where OTEL_EXPORTER_OTLP_ENDPOINT names ' +
      'it, or a map of endpoint, headers, service_name and ratio (0 to 1)',
  )
}

export interface Telemetry {
  /** Sends what is left, at most two seconds long. Never rejects. */
  close(): Promise<void>
}

const SEND_MS = 2_000

/**
 * Registers a provider for this process. A receiver that does not answer costs the spans, one warning, and no run.
 * @throws ConfigError where the packages are not installed
 */
export async function startTelemetry(options: OtlpOptions, version: string, logger: LogTarget): Promise<Telemetry> {
  const { diag, DiagLogLevel, context, trace } = await import('@opentelemetry/api')
  const { node, exporter, resources } = await packages()
  let told = false
  const tell = (): void => {
    if (!told) logger.warn('spans could not be sent; nothing else depends on them')
    told = true
  }
  const silent = (): void => {}
  diag.setLogger({ error: tell, warn: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.ERROR)
  const provider = new node.NodeTracerProvider({
    resource: resources.defaultResource().merge(
      resources.resourceFromAttributes({
        'service.name': options.serviceName ?? process.env['OTEL_SERVICE_NAME'] ?? 'defacto',
        'service.version': version,
      }),
    ),
    ...(options.ratio === undefined
      ? {}
      : { sampler: new node.ParentBasedSampler({ root: new node.TraceIdRatioBasedSampler(options.ratio) }) }),
    spanProcessors: [
      new node.BatchSpanProcessor(
        new exporter.OTLPTraceExporter({
          timeoutMillis: SEND_MS,
          ...(options.endpoint === undefined ? {} : { url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces` }),
          ...(options.headers === undefined ? {} : { headers: { ...options.headers } }),
        }),
        { exportTimeoutMillis: SEND_MS },
      ),
    ],
  })
  provider.register()
  return {
    async close(): Promise<void> {
      await provider.shutdown().catch(tell)
      trace.disable()
      context.disable()
      diag.disable()
    },
  }
}

async function packages(): Promise<{
  node: typeof import('@opentelemetry/sdk-trace-node')
  exporter: typeof import('@opentelemetry/exporter-trace-otlp-http')
  resources: typeof import('@opentelemetry/resources')
}> {
  try {
    const [node, exporter, resources] = await Promise.all([
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
    return { node, exporter, resources }
  } catch (cause) {
    throw new ConfigError(
      'telemetry.otlp needs the packages @opentelemetry/sdk-trace-node, @opentelemetry/exporter-trace-otlp-http and ' +
        '@opentelemetry/resources: npm install --include=optional',
      { code: 'E_CONFIG_DRIVER', cause },
    )
  }
}
