/** A Python with pinned packages in a virtual environment of the cache folder, installed once. */
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, run, StarterError } from './host.ts'

export interface PythonWanted {
  /** For people and for the folder: `Dagster`. */
  readonly name: string
  /** File with one pinned package a line. */
  readonly requirements: string
  /** What it must be able to import: `dagster, dagster_pipes`. */
  readonly imports: string
  /** Variable that names an interpreter which has it all. */
  readonly variable: string
  /** How long the first installation takes: `half a minute`. */
  readonly takes: string
}

/** The pinned packages exist ready-made for these; the first is the one they were tried with. */
const PYTHONS = ['python3.11', 'python3', 'python3.12', 'python3.13', 'python3.10']
const FITS = 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'

/**
 * Path of the interpreter.
 * @throws StarterError with what was tried
 */
export async function pythonWith(wanted: PythonWanted): Promise<string> {
  const { name, variable, imports } = wanted
  const test = ['-c', `import ${imports}`]
  const named = process.env[variable]
  if (named) {
    const { ok, output } = await run(named, test)
    if (ok) return named
    throw new StarterError(`${variable}=${named} does not import ${imports}: ${output}`)
  }
  // Other pins are another environment.
  const pins = createHash('sha256')
    .update(await readFile(wanted.requirements))
    .digest('hex')
    .slice(0, 12)
  const parent = join(cacheFolder(), name.toLowerCase())
  const home = join(parent, pins)
  const python = join(home, 'bin', 'python')
  const cached = await access(python).then(
    () => true,
    () => false,
  )
  if (!cached) await install(wanted, parent, home)
  const { ok, output } = await run(python, test)
  if (ok) return python
  throw new StarterError(`The Python in ${home} does not import ${imports}; remove the folder. ${output}`)
}

/** Builds it beside its place and moves it there whole; interpreters in a virtual environment do not mind. */
async function install(wanted: PythonWanted, parent: string, home: string): Promise<void> {
  const python = await fittingPython(wanted)
  process.stderr.write(`Installing ${wanted.name} in ${parent}; this takes about ${wanted.takes}…\n`)
  await mkdir(parent, { recursive: true })
  const building = await mkdtemp(join(parent, 'installing-'))
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-input',
    '--disable-pip-version-check',
    '-r',
    wanted.requirements,
  ]
  try {
    for (const [command, args] of [
      [python, ['-m', 'venv', building]],
      [join(building, 'bin', 'python'), pip],
    ] as const) {
      const { ok, output } = await run(command, args)
      if (!ok) throw missing(wanted, `${[command, ...args].join(' ')}: ${output.split('\n').slice(-20).join('\n  ')}`)
    }
    // Somebody else may have been quicker; theirs is as good.
    await rename(building, home).catch(() => {})
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

async function fittingPython(wanted: PythonWanted): Promise<string> {
  for (const python of PYTHONS) if ((await run(python, ['-c', FITS])).ok) return python
  throw missing(wanted, 'no Python 3.10 to 3.13 with venv and pip on PATH')
}

function missing({ name, variable, imports }: PythonWanted, tried: string): StarterError {
  return new StarterError(
    [
      `There is no Python with ${name} here, and none could be installed.`,
      `- ${tried}`,
      "Install Python 3.11 with venv ('apt-get install python3-venv', 'brew install python@3.11'), or name an interpreter",
      `that imports ${imports} in ${variable}.`,
    ].join('\n'),
  )
}
