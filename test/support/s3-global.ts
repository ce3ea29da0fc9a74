/** One S3 server for the whole run, started when the first test file asks for it. */
import type { TestProject } from 'vitest/node'
import { findS3 } from '../../infra/starters/s3.ts'
import { openDesk } from './desk.ts'

declare module 'vitest' {
  interface ProvidedContext {
    s3Desk: number
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const desk = await openDesk('S3', async () => {
    const { endpoint, stop } = await findS3()
    return { url: endpoint, stop }
  })
  project.provide('s3Desk', desk.port)
  return desk.close
}
