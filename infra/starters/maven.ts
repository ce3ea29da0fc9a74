/** Servers of the Java world: their archives, with all they depend on, fetched once by Maven and kept. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, run } from './host.ts'

export interface Libraries {
  /** Folder of the cache. */
  readonly name: string
  readonly version: string
  /** `group:artifact:version`. */
  readonly artifacts: readonly string[]
  /** The error that says what was tried. */
  missing(tried: string): Error
}

/** Folder of the archives, found or fetched. */
export async function javaLibraries(wanted: Libraries): Promise<string> {
  const parent = join(cacheFolder(), wanted.name)
  const home = join(parent, wanted.version)
  const lib = join(home, 'lib')
  const java = await run('java', ['-version'])
  if (!java.ok) throw wanted.missing(`java: ${java.output}`)
  if (existsSync(lib)) return lib
  await mkdir(parent, { recursive: true })
  const making = await mkdtemp(join(parent, 'making-'))
  try {
    await writeFile(join(making, 'pom.xml'), pom(wanted))
    const arguments_ = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime']
    const { ok, output } = await run('mvn', arguments_, { cwd: making })
    if (!ok) throw wanted.missing(`mvn ${arguments_.join(' ')}: ${output.split('\n').slice(-10).join('\n  ')}`)
    await chmod(making, 0o755)
    // Somebody else may have been quicker; theirs is as good.
    await rename(making, home).catch(() => {})
    return lib
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

function pom({ name, artifacts }: Libraries): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, id, version] = artifact.split(':')
    return `    <dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>defacto</groupId><artifactId>${name}</artifactId><version>1</version>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
