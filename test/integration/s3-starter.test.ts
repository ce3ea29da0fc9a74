/** The S3 server that tests and people start: it answers on loopback alone, and never outlives its owner. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { StarterError } from '../../infra/starters/host.ts'
import { findS3, startS3 } from '../../infra/starters/s3.ts'
import { describeS3, s3Endpoint } from '../support/s3.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'infra', 'starters', 'main.ts')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'defacto-starter-'))
  chmodSync(folder, 0o755)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => expect.fail('succeeded'),
    (error: Error) => error,
  )

const answers = (endpoint: string): Promise<boolean> =>
  fetch(endpoint).then(
    () => true,
    () => false,
  )

describeS3('the S3 server', () => {
  it('is gone with its folder when its owner is killed, and was reachable on loopback alone', async () => {
    const owner = spawn(process.execPath, [MAIN, 's3'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, DEFACTO_S3_ENDPOINT: '', TMPDIR: folder },
    })
    const [endpoint] = (await once(createInterface(owner.stdout), 'line')) as [string]
    expect(await answers(endpoint)).toBe(true)
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^defacto-s3-/)])
    for (const address of Object.values(networkInterfaces()).flat()) {
      if (address === undefined || address.internal || address.family !== 'IPv4') continue
      expect(await answers(endpoint.replace('127.0.0.1', address.address))).toBe(false)
    }
    owner.kill('SIGKILL')
    while (await answers(endpoint)) await delay(20)
    while (readdirSync(folder).length > 0) await delay(20)
  })

  it('does not take a port that is taken', async () => {
    const other = createServer()
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const { port } = other.address() as AddressInfo
    const error = await failureOf(startS3({ port }))
    other.close()
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toBe(`Port ${port} of 127.0.0.1 is taken: choose another one.`)
  })

  it('says why it does not start, with its log, and leaves nothing', async () => {
    vi.stubEnv('TMPDIR', folder)
    vi.stubEnv('LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT', 'forever')
    const error = await failureOf(startS3())
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toMatch(/did not start on port \d+\. Its log:\n[\s\S]*ValueError: invalid literal/)
    expect(readdirSync(folder)).toEqual([])
  })

  it('that is named is used and left running', async () => {
    vi.stubEnv('DEFACTO_S3_ENDPOINT', s3Endpoint())
    const found = await findS3()
    expect(found.endpoint).toBe(s3Endpoint())
    await found.stop()
    expect(await answers(s3Endpoint())).toBe(true)
  })

  it('that is named and does not answer is said so', async () => {
    vi.stubEnv('DEFACTO_S3_ENDPOINT', 'http://127.0.0.1:9')
    const error = await failureOf(findS3())
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toMatch(/DEFACTO_S3_ENDPOINT \(127\.0\.0\.1:9\) does not answer: .+\nCorrect the address/)
  })

  it('that can be neither found nor installed says what to do', async () => {
    vi.stubEnv('DEFACTO_S3_ENDPOINT', '')
    vi.stubEnv('XDG_CACHE_HOME', folder)
    vi.stubEnv('PATH', folder)
    const error = await failureOf(findS3())
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toContain('no Python 3.10 to 3.13 with venv and pip on PATH')
    expect(error.message).toContain('DEFACTO_S3_ENDPOINT')
  })
})
