/** A Python that runs LocalStack's S3, with every package pinned. Installed once; takes about a minute. */
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, run, StarterError } from './host.ts'

const REQUIREMENTS = join(import.meta.dirname, 'localstack-requirements.txt')

/** The pinned packages exist ready-made for these; the first is the one they were tried with. */
const PYTHONS = ['python3.11', 'python3', 'python3.12', 'python3.13', 'python3.10']
const FITS = 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'

export interface LocalStack {
  /** Interpreter that has it. */
  readonly python: string
  /** `4.13.1`. */
  readonly version: string
}

/**
 * Finds what was installed before, else installs it.
 * @throws StarterError with what was tried
 */
export async function localStack(): Promise<LocalStack> {
  const version = /^localstack-core==(\S+)$/m.exec(await readFile(REQUIREMENTS, 'utf8'))?.[1] ?? ''
  const parent = join(cacheFolder(), 'localstack')
  const home = join(parent, version)
  const python = join(home, 'bin', 'python')
  const cached = await access(python).then(
    () => true,
    () => false,
  )
  if (!cached) await install(parent, home)
  return { python, version }
}

/** Builds it beside its place and moves it there whole; interpreters in a virtual environment do not mind. */
async function install(parent: string, home: string): Promise<void> {
  const python = await fittingPython()
  process.stderr.write(`Installing LocalStack in ${parent}; this takes about a minute…\n`)
  await mkdir(parent, { recursive: true })
  const building = await mkdtemp(join(parent, 'installing-'))
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '-r', REQUIREMENTS]
    for (const [command, args] of [
      [python, ['-m', 'venv', building]],
      [join(building, 'bin', 'python'), pip],
    ] as const) {
      const { ok, output } = await run(command, args)
      if (!ok) throw missing(`${[command, ...args].join(' ')}: ${output.split('\n').slice(-20).join('\n  ')}`)
    }
    // Somebody else may have been quicker; theirs is as good.
    await rename(building, home).catch(() => {})
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

async function fittingPython(): Promise<string> {
  for (const python of PYTHONS) if ((await run(python, ['-c', FITS])).ok) return python
  throw missing('no Python 3.10 to 3.13 with venv and pip on PATH')
}

function missing(tried: string): StarterError {
  return new StarterError(
    [
      'There is no S3 server here, and none could be installed.',
      `- ${tried}`,
      "Install Python 3.11 with venv ('apt-get install python3-venv', 'brew install python@3.11'), or name a running",
      'server in DEFACTO_S3_ENDPOINT (docker compose -f infra/compose.yaml up --wait localstack).',
    ].join('\n'),
  )
}
