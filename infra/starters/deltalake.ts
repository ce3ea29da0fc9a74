/** A Python with delta-rs (`deltalake`) and Arrow: the independent reader and writer of Delta tables. Installed once. */
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, run, StarterError } from './host.ts'

const PACKAGES = ['deltalake==1.6.6', 'pyarrow==26.0.1']
const IMPORTS = ['-c', 'import deltalake, pyarrow']

/**
 * Path of the interpreter. `DEFACTO_DELTALAKE_PYTHON` names one that has the packages.
 * @throws StarterError with what was tried
 */
export async function pythonWithDeltalake(): Promise<string> {
  const named = process.env['DEFACTO_DELTALAKE_PYTHON']
  if (named) {
    const { ok, output } = await run(named, IMPORTS)
    if (ok) return named
    throw new StarterError(`DEFACTO_DELTALAKE_PYTHON=${named} does not import deltalake and pyarrow: ${output}`)
  }
  const parent = join(cacheFolder(), 'deltalake')
  const home = join(parent, PACKAGES.join('-').replaceAll('==', '-'))
  const python = join(home, 'bin', 'python')
  const cached = await access(python).then(
    () => true,
    () => false,
  )
  if (!cached) await install(parent, home)
  const { ok, output } = await run(python, IMPORTS)
  if (ok) return python
  throw new StarterError(`The Python in ${home} does not import deltalake and pyarrow; remove the folder. ${output}`)
}

/** Builds it beside its place and moves it there whole; interpreters in a virtual environment do not mind. */
async function install(parent: string, home: string): Promise<void> {
  process.stderr.write(`Installing ${PACKAGES.join(' and ')} in ${parent}…\n`)
  await mkdir(parent, { recursive: true })
  const building = await mkdtemp(join(parent, 'installing-'))
  try {
    const steps: [string, string[]][] = [
      ['python3', ['-m', 'venv', building]],
      [join(building, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--no-input', ...PACKAGES]],
    ]
    for (const [command, args] of steps) {
      const { ok, output } = await run(command, args)
      if (ok) continue
      throw new StarterError(
        [
          'There is no Python with deltalake here, and none could be installed.',
          `- ${[command, ...args].join(' ')}: ${output.split('\n').slice(-5).join('\n  ')}`,
          "Install Python 3.10 or later with venv ('apt-get install python3-venv'), or name an interpreter that has",
          'deltalake and pyarrow in DEFACTO_DELTALAKE_PYTHON.',
        ].join('\n'),
      )
    }
    // Somebody else may have been quicker; theirs is as good.
    await rename(building, home).catch(() => {})
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}
