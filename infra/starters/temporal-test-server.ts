/** Temporal's test server, whose time runs on when nobody works: Java archives, fetched once by Maven. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, run, StarterError } from './host.ts'

const VERSION = '1.38.0'

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>defacto</groupId><artifactId>temporal-test-server</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`

/** Path of a program that takes a port and serves there. @throws StarterError with what was tried */
export async function testServer(): Promise<string> {
  const parent = join(cacheFolder(), 'temporal-test-server')
  const home = join(parent, VERSION)
  const wrapper = join(home, 'temporal-test-server')
  const java = await run('java', ['-version'])
  if (!java.ok) throw missing(`java: ${java.output}`)
  if (existsSync(wrapper)) return wrapper
  await mkdir(parent, { recursive: true })
  const making = await mkdtemp(join(parent, 'making-'))
  try {
    await writeFile(join(making, 'pom.xml'), POM)
    const arguments_ = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime']
    const { ok, output } = await run('mvn', arguments_, { cwd: making })
    if (!ok) throw missing(`mvn ${arguments_.join(' ')}: ${output.split('\n').slice(-10).join('\n  ')}`)
    await writeFile(
      join(making, 'temporal-test-server'),
      `#!/bin/sh\nexec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '${home}/lib/*' io.temporal.testserver.TestServer "$@"\n`,
    )
    await chmod(join(making, 'temporal-test-server'), 0o755)
    await chmod(making, 0o755)
    // Somebody else may have been quicker; theirs is as good.
    await rename(making, home).catch(() => {})
    return wrapper
  } finally {
    await rm(making, { recursive: true, force: true })
  }
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
