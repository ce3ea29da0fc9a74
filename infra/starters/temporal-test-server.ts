/** Temporal's test server, whose time runs on when nobody works: Java archives, fetched once by Maven. */
import { existsSync } from 'node:fs'
import { chmod, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StarterError } from './host.ts'
import { javaLibraries } from './maven.ts'

const VERSION = '1.38.0'

/** Path of a program that takes a port and serves there. @throws StarterError with what was tried */
export async function testServer(): Promise<string> {
  const artifacts = [`io.temporal:temporal-test-server:${VERSION}`]
  const lib = await javaLibraries({ name: 'temporal-test-server', version: VERSION, artifacts, missing })
  const wrapper = join(lib, '..', 'temporal-test-server')
  if (existsSync(wrapper)) return wrapper
  const fresh = `${wrapper}.${process.pid}`
  await writeFile(
    fresh,
    `#!/bin/sh\nexec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '${lib}/*' io.temporal.testserver.TestServer "$@"\n`,
  )
  await chmod(fresh, 0o755)
  await rename(fresh, wrapper)
  return wrapper
}

function missing(tried: string): StarterError {
  return new StarterError(
    [
      "Temporal's test server cannot be had here.",
      `- ${tried}`,
      "Install Java 11 or newer and Maven ('apt-get install default-jre-headless maven', 'brew install maven').",
    ].join('\n'),
  )
}
