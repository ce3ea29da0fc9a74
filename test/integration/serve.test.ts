/** The HTTP API (spec 10 §9): a real server process with a worker, on a real Temporal server. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import Ajv2020 from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, endpoints } from '../../src/serve/app.ts'
import { openApiOf } from '../../src/serve/openapi.ts'
import type { Service } from '../../src/serve/service.ts'
import { Tokens } from '../../src/serve/tokens.ts'
import { type Ended, ended, Project, shows } from '../support/cli.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'

const TOKENS = `serve:
  tokens:
    reader: { token: "\${env:READER}", scopes: [read] }
    runner: { token: "\${env:RUNNER}", scopes: [read, run] }
`
const SECRETS = { READER: 'reader-0123456789abcdef', RUNNER: 'runner-0123456789abcdef' }
const NIGHTLY = `nightly:
  inputs:
    app: { source: app, kind: files, path: "sample/app.ndjson", settle: 0s }
  steps: [ingest, build, tick, check]
  checks: { history: { kind: history_valid, asset: entity/customer/history } }
  freshness: { entity/customer: { error: 3h } }
`
const signup = (email: string): string =>
  `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email, user: { email } })}\n`

type Json = Record<string, unknown>

describeTemporal('the server', () => {
  let project: Project
  let server: ChildProcessWithoutNullStreams
  let end: Promise<Ended>
  let url = ''
  let document: Json
  let ajv: Ajv2020.default
  beforeAll(async () => {
    project = new Project()
    await project.run(['init', '-q'])
    project.put('pipelines/nightly.yaml', NIGHTLY)
    project.put('defacto.config.yaml', `definitions: .\n${TOKENS}`)
    const { address, namespace } = sharedTemporal()
    const env = { ...SECRETS, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }
    server = project.start(['serve', '--port', '0', '--worker'], { env })
    end = ended(server)
    const said = new Promise<string>((resolve) => {
      let text = ''
      server.stderr.on('data', (chunk: Buffer | string) => {
        text += String(chunk)
        const found = /serving (http:\S+)/.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    await shows(server, 'serving ')
    url = await said
    document = (await (await fetch(`${url}/openapi.json`)).json()) as Json
    ajv = new Ajv2020.default({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
  })
  afterAll(async () => {
    server.kill('SIGKILL')
    await end
    project.remove()
  })

  /** Calls as the runner, and holds the answer against the document. */
  async function call(
    method: 'get' | 'post',
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; of?: string; token?: string } = {},
  ): Promise<{ status: number; body: Json }> {
    const response = await fetch(url + path, {
      method: method.toUpperCase(),
      headers: {
        authorization: `Bearer ${options.token ?? SECRETS.RUNNER}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    })
    const body = (await response.json()) as Json
    const place = (options.of ?? path).replace(/\?.*$/, '').replaceAll('~', '~0').replaceAll('/', '~1')
    const answers = (document['paths'] as Record<string, Record<string, { responses: Json }>>)[
      (options.of ?? path).replace(/\?.*$/, '')
    ]?.[method]?.responses
    const answer = answers !== undefined && String(response.status) in answers ? String(response.status) : 'default'
    const type = (response.headers.get('content-type') ?? '').split(';')[0]?.replace('/', '~1')
    const pointer = `api#/paths/${encodeURIComponent(place)}/${method}/responses/${answer}/content/${type}/schema`
    const valid = ajv.getSchema(pointer)
    expect(valid, pointer).toBeTypeOf('function')
    expect(valid?.(body), JSON.stringify(valid?.errors)).toBe(true)
    return { status: response.status, body }
  }
  const run = (id: unknown, wait = ''): Promise<{ status: number; body: Json }> =>
    call('get', `/v1/runs/${String(id)}${wait}`, { of: '/v1/runs/{id}' })

  it('is alive, ready, and asks for a token where it matters', async () => {
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    const nobody = await fetch(`${url}/v1/runs`)
    expect(nobody.status).toBe(401)
    expect(nobody.headers.get('content-type')).toBe('application/problem+json')
    expect(await nobody.json()).toMatchObject({ code: 'E_UNAUTHORIZED', status: 401 })
    expect(await call('get', '/v1/runs', { token: 'reader-0123456789abcdeX' })).toMatchObject({ status: 401 })
    const reader = { token: SECRETS.READER }
    expect(await call('get', '/v1/runs', reader)).toMatchObject({ status: 200, body: { runs: [] } })
    expect(await call('post', '/v1/runs', { ...reader, body: { op: 'build' } })).toMatchObject({
      status: 403,
      body: { code: 'E_FORBIDDEN' },
    })
  })

  it('runs a pipeline once per key, waits for it, and streams what it notes', async () => {
    const request = { op: 'pipeline', input: { pipeline: 'nightly' }, tags: { by: 'test' } }
    const headers = { 'idempotency-key': 'dag/run/task' }
    const first = await call('post', '/v1/runs', { body: request, headers })
    expect(first.status).toBe(202)
    const again = await call('post', '/v1/runs', { body: request, headers })
    expect(again).toMatchObject({ status: 200, body: { run_id: first.body['run_id'] } })
    const other = await call('post', '/v1/runs', { body: { op: 'build' }, headers })
    expect(other).toMatchObject({ status: 409, body: { code: 'E_CONFLICT' } })
    const id = first.body['run_id']
    const done = await run(id, '?wait=60s')
    expect(done.body).toMatchObject({ status: 'succeeded', trigger: 'api', tags: { by: 'test' } })
    expect((done.body['steps'] as Json[]).map(({ op }) => op)).toEqual(['ingest', 'build', 'tick', 'check'])
    expect((await call('get', '/v1/runs?tag=by%3Dtest&status=succeeded')).body['runs']).toHaveLength(1)
    expect((await call('get', '/v1/runs?status=bogus')).status).toBe(400)

    const events = `${url}/v1/runs/${String(id)}/events`
    const authorization = `Bearer ${SECRETS.READER}`
    const lines = (await (await fetch(events, { headers: { authorization } })).text()).trimEnd().split('\n')
    const seqs = lines.map((line) => (JSON.parse(line) as { seq: number }).seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    const sse = await fetch(events, {
      headers: { authorization, accept: 'text/event-stream', 'last-event-id': String(seqs[0]) },
    })
    const text = await sse.text()
    expect(text).not.toContain(`id: ${seqs[0]}\n`)
    expect(text).toContain(`id: ${seqs[1]}\nevent: `)
    expect(text.endsWith('event: end\ndata: {}\n\n')).toBe(true)
  })

  it('stores pushed records before it answers, packed or not, and reads them', async () => {
    const push = (body: string | Buffer, headers: Record<string, string>): Promise<Response> =>
      fetch(`${url}/v1/inbox/app?process=true`, {
        method: 'POST',
        headers: { authorization: `Bearer ${SECRETS.RUNNER}`, 'content-type': 'application/x-ndjson', ...headers },
        body,
      })
    const plain = await push(signup('p@example.com'), { 'idempotency-key': 'p1' })
    expect(plain.status).toBe(202)
    const stored = (await plain.json()) as { run_id: string; batch_id: string }
    expect(stored.batch_id).toMatch(/^b_/)
    expect((await run(stored.run_id, '?wait=60s')).body).toMatchObject({ op: 'ingest', stats: { events_ingested: 1 } })
    const same = await push(signup('p@example.com'), { 'idempotency-key': 'p1' })
    expect(await same.json()).toMatchObject({ run_id: stored.run_id, batch_id: stored.batch_id })
    const packed = await push(gzipSync(`${signup('q@example.com')}no record\n`), { 'content-encoding': 'gzip' })
    const { run_id: id } = (await packed.json()) as { run_id: string }
    const read = await run(id, '?wait=60s')
    expect(read.body['stats']).toMatchObject({ events_read: 2, events_ingested: 1, events_failed: 1 })
    expect((await push('x', { 'content-encoding': 'br' })).status).toBe(415)
    const unknown = await fetch(`${url}/v1/inbox/nowhere`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRETS.RUNNER}` },
      body: signup('r@example.com'),
    })
    expect(unknown.status).toBe(404)
  })

  it('reads tables, histories, timelines, assets, checks, freshness and schedules', async () => {
    const built = await call('post', '/v1/runs', { body: { op: 'build' } })
    expect((await run(built.body['run_id'], '?wait=60s')).body['status']).toMatch(/succeeded|coalesced/)
    const where = encodeURIComponent('{"email":"alice@example.com"}')
    const table = await call('get', `/v1/table/customer?where=${where}&columns=email,plan,customer_id`, {
      of: '/v1/table/{type}',
    })
    const [alice] = table.body['rows'] as Json[]
    expect(alice).toMatchObject({ email: 'alice@example.com', plan: 'pro' })
    const limited = await call('get', '/v1/history/customer?limit=1&order_by=valid_from', { of: '/v1/history/{type}' })
    expect(limited.body).toMatchObject({ more: true })
    const timeline = await call('get', `/v1/timeline/${String(alice?.['customer_id'])}`, { of: '/v1/timeline/{id}' })
    expect(timeline.body['entity_type']).toBe('customer')
    expect((await call('get', '/v1/table/nothing', { of: '/v1/table/{type}' })).status).toBe(404)
    expect((await call('get', '/v1/assets')).body['assets']).not.toHaveLength(0)
    expect((await call('get', '/v1/checks')).body['checks']).toMatchObject([{ check: 'history', passed: true }])
    expect((await call('get', '/v1/freshness')).body['freshness']).toEqual(
      expect.arrayContaining([expect.objectContaining({ asset: 'entity/customer' })]),
    )
    expect((await call('get', '/v1/schedules')).body['schedules']).toEqual([])
  })

  it('says what is wrong with a request, without repeating it', async () => {
    const wrong = await call('post', '/v1/runs', { body: { op: 'build', input: { fool: 'secret-value' } } })
    expect(wrong).toMatchObject({ status: 400, body: { code: 'E_USAGE' } })
    expect(JSON.stringify(wrong.body)).not.toContain('secret-value')
    expect(await call('post', '/v1/runs', { body: { op: 'destroy' } })).toMatchObject({ status: 400 })
    const pipeline = await call('post', '/v1/runs', { body: { op: 'pipeline', input: { pipeline: 'nigtly' } } })
    expect(pipeline).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining("did you mean 'nightly'?") },
    })
    expect((await run('r_unknown')).status).toBe(404)
    expect((await run('r_unknown', '?wait=1h')).status).toBe(400)
    const authorization = `Bearer ${SECRETS.RUNNER}`
    const large = await fetch(`${url}/v1/runs`, {
      method: 'POST',
      headers: { authorization },
      body: 'x'.repeat(2_000_000),
    })
    expect(large.status).toBe(413)
    expect((await fetch(`${url}/v1/runs`, { method: 'DELETE', headers: { authorization } })).status).toBe(405)
    expect((await fetch(`${url}/v2`, { headers: { authorization } })).status).toBe(404)
  })

  it('counts for Prometheus, and ends in order', async () => {
    const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${SECRETS.READER}` } })
    const text = await metrics.text()
    expect(text).toMatch(/^defacto_runs_total\{op="pipeline",status="succeeded",namespace="defacto"\} 1$/m)
    expect(text).not.toContain('alice@example.com')
    server.kill('SIGTERM')
    expect((await end).code).toBe(0)
  })
})

describe('without tokens', () => {
  it('only this machine is served', async () => {
    const project = new Project()
    await project.run(['init', '-q'])
    const refused = await project.run(['serve', '--host', '0.0.0.0', '--port', '0', '--local'])
    expect(refused.code).toBe(2)
    expect(refused.err).toContain('serve.tokens')
    project.remove()
  })
})

describe('requests without tokens', () => {
  const app = createApp({
    service: { draining: () => false } as unknown as Service,
    tokens: new Tokens(undefined),
    logger: { warn() {}, error() {} },
    version: '0.0.0',
  })

  it('are served under the name of this machine alone', async () => {
    expect((await app.request('http://127.0.0.1:8080/livez')).status).toBe(200)
    expect((await app.request('http://localhost:8080/livez')).status).toBe(200)
    expect((await app.request('http://[::1]:8080/livez')).status).toBe(200)
    expect((await app.request('http://elsewhere.example:8080/livez')).status).toBe(403)
    const page = { headers: { origin: 'https://elsewhere.example' } }
    expect((await app.request('http://localhost:8080/livez', page)).status).toBe(403)
  })
})

describe('the OpenAPI document', () => {
  const document = openApiOf(endpoints('0.0.0'), '0.0.0') as {
    openapi: string
    info: Json
    paths: Record<string, Record<string, Json>>
    components: { schemas: Record<string, Json> }
  }

  it('describes every endpoint: unique ids, parameters of the path, answers', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: 'defacto', version: '0.0.0' })
    const ids: unknown[] = []
    for (const [path, item] of Object.entries(document.paths)) {
      for (const operation of Object.values(item)) {
        ids.push(operation['operationId'])
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        const parameters = operation['parameters'] as {
          name: string
          in: string
          required?: boolean
          schema: unknown
        }[]
        expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(named)
        expect(parameters.every(({ schema }) => typeof schema === 'object')).toBe(true)
        expect(Object.keys(operation['responses'] as Json)).toContain('default')
      }
    }
    expect(new Set(ids).size).toBe(ids.length)
    expect(Object.keys(document.paths)).toContain('/v1/inbox/{source}')
  })

  it('has schemas that are valid, and references that lead somewhere', () => {
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
    for (const name of Object.keys(document.components.schemas)) {
      expect(ajv.getSchema(`api#/components/schemas/${name}`), name).toBeTypeOf('function')
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)]
    for (const [, name = ''] of references) expect(Object.keys(document.components.schemas)).toContain(name)
  })
})
