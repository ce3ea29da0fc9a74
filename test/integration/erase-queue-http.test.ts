/** Erasures over HTTP (spec 10 §9): asked for with a key, looked at, proven; nobody without the scope. */
import Ajv2020 from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Orchestrator } from '../../src/orchestrator.ts'
import { createApp } from '../../src/serve/app.ts'
import { serviceOf } from '../../src/serve/over.ts'
import { Tokens } from '../../src/serve/tokens.ts'
import { Project } from '../support/cli.ts'

const OFFICER = 'officer-0123456789abcdef'
const RUNNER = 'runner-0123456789abcdef'
const tokens = new Tokens({
  officer: { token: OFFICER, scopes: ['read', 'erase'] },
  runner: { token: RUNNER, scopes: ['read', 'run'] },
})
const signup = (name: string): object => {
  const email = `${name}@x.example`
  return { type: 'signup', timestamp: '2024-01-01T00:00:00Z', email, user: { email } }
}

type Json = Record<string, unknown>

describe('the server', () => {
  let project: Project
  let orchestrator: Orchestrator
  let app: ReturnType<typeof createApp>
  beforeAll(async () => {
    project = new Project()
    await project.run(['init', '-q'])
    orchestrator = await Orchestrator.connect(project.root, {
      engine: 'local',
      options: { logger: { debug() {}, info() {}, warn() {}, error() {} } },
    })
    const { defacto } = orchestrator.opened
    await defacto.ingest('app', ['ann', 'bob', 'eve'].map(signup))
    await defacto.build()
    const logger = { warn() {}, error() {} }
    app = createApp({ service: serviceOf(orchestrator, { draining: () => false }), tokens, logger, version: '0.0.0' })
  })
  afterAll(async () => {
    await orchestrator.close()
    project.remove()
  })

  async function call(
    path: string,
    body?: object,
    { token = OFFICER, key }: { token?: string; key?: string } = {},
  ): Promise<{ status: number; body: Json }> {
    const response = await app.request(`http://localhost${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Json }
  }

  test('takes a request, says where it is, and gives its certificate', async () => {
    const hint = 'customer.email=ann@x.example'
    const asked = await call('/v1/erase', { hint, reason: 'ticket 1', requested_by: 'ada' }, { key: 'ticket-1' })
    expect(asked).toMatchObject({ status: 202, body: { receipt: expect.any(String), run_id: expect.any(String) } })
    const id = String(asked.body['request_id'])
    await (await orchestrator.run(String(asked.body['run_id']))).ended()
    // Repeated, it is the same one, although nobody of this name is there any more.
    expect(await call('/v1/erase', { hint }, { key: 'ticket-1' })).toMatchObject({
      status: 200,
      body: { request_id: id, receipt: null },
    })
    expect(await call('/v1/erase', { hint, kind: 'redact' }, { key: 'ticket-1' })).toMatchObject({ status: 409 })
    const state = await call(`/v1/erase/${id}`)
    expect(state).toMatchObject({
      status: 200,
      body: {
        status: 'closed',
        waiting_for: [],
        stores: { ledger: { state: 'done' } },
        certificate_id: expect.any(String),
      },
    })
    expect(JSON.stringify(state.body)).not.toMatch(/x\.example|ada|ticket/)
    const { body: document } = await call('/openapi.json')
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', ...document })
    expect(ajv.validate({ $ref: 'api#/components/schemas/Erasure' }, state.body), ajv.errorsText()).toBe(true)
    expect(ajv.validate({ $ref: 'api#/components/schemas/AcceptedErasure' }, asked.body), ajv.errorsText()).toBe(true)
    expect(await call(`/v1/erase/${id}/certificate`)).toMatchObject({
      status: 200,
      body: { request_id: id, kind: 'erase', signature: { alg: 'ed25519' } },
    })
  })

  test('says what is wrong, and never who was meant', async () => {
    expect(await call('/v1/erase', { hint: 'customer.email=bob@x.example' }, { token: RUNNER })).toMatchObject({
      status: 403,
    })
    expect(await call('/v1/erase', {})).toMatchObject({ status: 400, body: { code: 'E_USAGE' } })
    const nobody = await call('/v1/erase', { hint: 'customer.email=zoe@x.example' })
    expect(nobody).toMatchObject({ status: 404 })
    expect(JSON.stringify(nobody.body)).not.toContain('zoe')
    expect(await call('/v1/erase/q_none')).toMatchObject({ status: 404 })
    const { body } = await call('/v1/erase', { hint: 'customer.email=eve@x.example', queue: true })
    expect(body).toMatchObject({ status: 'approved', run_id: null })
    expect(await call(`/v1/erase/${String(body['request_id'])}/certificate`)).toMatchObject({ status: 404 })
  })

  test('shows requests and holds among its metrics', async () => {
    await orchestrator.holds.add({ entityType: 'customer', reason: 'a dispute' })
    const response = await app.request('http://localhost/metrics', { headers: { authorization: `Bearer ${OFFICER}` } })
    const text = await response.text()
    expect(text).toMatch(/defacto_erase_open\{[^}]*state="approved"[^}]*\} 1/)
    expect(text).toMatch(/defacto_erase_deadline_seconds\{[^}]*\} \d+/)
    expect(text).toMatch(/defacto_holds\{[^}]*\} 1/)
  })
})
