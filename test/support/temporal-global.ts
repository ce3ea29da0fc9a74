/** One Temporal server for the whole run, started when the first test file asks for it. */
import type { TestProject } from 'vitest/node'
import { openDesk } from './desk.ts'

declare module 'vitest' {
  interface ProvidedContext {
    temporalDesk: number
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const desk = await openDesk('Temporal', async () => {
    // The SDK takes a second to load, which tests of other things need not wait for.
    const { findTemporalServer } = await import('../../infra/starters/temporal.ts')
    const { address, namespace, stop } = await findTemporalServer()
    return { url: `${address}/${namespace}`, stop }
  })
  project.provide('temporalDesk', desk.port)
  return desk.close
}
