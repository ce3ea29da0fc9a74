/**
 * Workflow code as one file (spec 10 §4.8). The package brings it; from sources it is made once and kept by their hash,
 * because making it takes seconds.
 */
import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { ConfigError } from '../errors.ts'
import { cacheFolder } from './cache-folder.ts'
import { FAILURE_CONVERTER } from './data-converter.ts'

export interface WorkflowBundle {
  readonly codePath: string
  /** Of the code, 12 hex digits; part of a worker's build id. */
  readonly hash: string
}

interface Manifest {
  readonly sdk: string
  readonly hash: string
}

const SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
/** `workflows/` beside `src/`, in the sources and in the package. */
export const WORKFLOWS = join(import.meta.dirname, '..', '..', 'workflows')
export const INTERCEPTORS = join(WORKFLOWS, `interceptors${SUFFIX}`)
export const BUNDLE_FILE = 'bundle.cjs'

export function sdkVersion(): string {
  return (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string }).version
}

/** The package's bundle, else one made from the sources. */
export async function workflowBundle(): Promise<WorkflowBundle> {
  const sdk = sdkVersion()
  const shipped = join(WORKFLOWS, BUNDLE_FILE)
  if (!existsSync(shipped)) return fromSources(sdk)
  const manifest = JSON.parse(await readFile(manifestOf(shipped), 'utf8')) as Manifest
  if (manifest.sdk === sdk) return { codePath: shipped, hash: manifest.hash }
  throw new ConfigError(
    `the workflow code of this package was made with version ${manifest.sdk} of @temporalio/worker, and ${sdk} is installed: install ${manifest.sdk} of all @temporalio packages`,
    { code: 'E_CONFIG_TEMPORAL_SDK' },
  )
}

const manifestOf = (bundle: string): string => bundle.replace(/\.cjs$/, '.json')

async function fromSources(sdk: string): Promise<WorkflowBundle> {
  const names = (await readdir(WORKFLOWS)).filter((name) => name.endsWith(SUFFIX) && !name.endsWith('.d.ts')).sort()
  const texts = await Promise.all(
    [FAILURE_CONVERTER, ...names.map((name) => join(WORKFLOWS, name))].map((path) => readFile(path)),
  )
  // Places are in it too: code of another folder has other places.
  const key = hash('sha256', Buffer.concat([Buffer.from(`${sdk}\n${WORKFLOWS}\n${names}\n`), ...texts])).slice(0, 16)
  const codePath = join(cacheFolder(), 'workflows', `${key}.cjs`)
  if (!existsSync(manifestOf(codePath))) await makeBundle(codePath)
  return { codePath, hash: (JSON.parse(await readFile(manifestOf(codePath), 'utf8')) as Manifest).hash }
}

/** Writes bundle and manifest; whoever else does so at the same time writes the same. */
export async function makeBundle(codePath: string): Promise<void> {
  const { bundleWorkflowCode } = await import('@temporalio/worker')
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(WORKFLOWS, `index${SUFFIX}`),
    workflowInterceptorModules: [INTERCEPTORS],
    failureConverterPath: FAILURE_CONVERTER,
    logger: silent(),
    // Places of the machine that made it are nobody's business.
    webpackConfigHook: (config) => ({
      ...config,
      output: { ...config.output, devtoolModuleFilenameTemplate: '[resource-path]' },
    }),
  })
  const manifest: Manifest = { sdk: sdkVersion(), hash: hash('sha256', code).slice(0, 12) }
  await mkdir(join(codePath, '..'), { recursive: true })
  await put(codePath, code)
  await put(manifestOf(codePath), `${JSON.stringify(manifest)}\n`)
}

async function put(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}`
  try {
    await writeFile(temporary, text)
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

function silent() {
  const nothing = () => {}
  // A bundler that fails rejects; what it says before that is its own business.
  return { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing }
}
