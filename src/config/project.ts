/**
 * The configuration of a project: flag > `DEFACTO_*` > profile > file > default (spec 10 §7.2), each value with its
 * origin, secrets unresolved until `options()`.
 */
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { closest } from '../core/spelling.ts'
import { ConfigError } from '../errors.ts'
import { readLeaf, type Setting, settingsOf } from './check.ts'
import { environmentValues, variableOf } from './environment.ts'
import { findConfig, findRoot, holdsDefinitions, isFolder, readConfig } from './file.ts'
import { CONFIG, OPTION_KEYS, pathText } from './keys.ts'
import { hasReference, resolveDeep, resolveText } from './secrets.ts'
import { inClear, shownValue } from './shown.ts'

export interface ProjectInputs {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--project`, `--config`, `--profile`. */
  readonly project?: string
  readonly config?: string
  readonly profile?: string
  /** Values of flags by key, e.g. `{database: …}`; undefined ones do not count. */
  readonly flags?: Readonly<Record<string, unknown>>
}

/** One line of `config show`. */
export interface ShownSetting {
  readonly key: string
  readonly value: unknown
  readonly origin: string
}

export class LoadedProject {
  /** Folder of the project: `.defacto/` lies here. */
  readonly root: string
  /** The configuration file; null if there is none. */
  readonly file: string | null
  readonly profile: string | null
  /** `DEFACTO_*` variables that are no setting. */
  readonly ignoredVariables: readonly string[]
  readonly #settings: ReadonlyMap<string, Setting>
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #profiles: readonly (readonly string[])[]

  constructor(parts: {
    root: string
    file: string | null
    profile: string | null
    ignoredVariables: readonly string[]
    settings: ReadonlyMap<string, Setting>
    env: ProjectInputs['env']
    /** Key paths of all profiles, after the profile's name. */
    profiles?: readonly (readonly string[])[]
  }) {
    this.root = parts.root
    this.file = parts.file
    this.profile = parts.profile
    this.ignoredVariables = parts.ignoredVariables
    this.#settings = parts.settings
    this.#env = parts.env
    this.#profiles = parts.profiles ?? []
  }

  /** A value by key path (`['coldLedger', 'url']`), secrets resolved, paths absolute; undefined if it is not set. */
  value(...path: string[]): unknown {
    const setting = this.#settings.get(path.join('.'))
    return setting === undefined ? undefined : this.#resolve(setting)
  }

  /** Key paths that are set; with `profiles`, where none is chosen, those of every profile too. */
  keys(options: { readonly profiles?: boolean } = {}): readonly (readonly string[])[] {
    const others = options.profiles === true && this.profile === null ? this.#profiles.map((path) => path.slice(1)) : []
    return [...[...this.#settings.values()].map(({ path }) => path), ...others]
  }

  /** Names of the profiles that set a key, or something below it, where none is chosen. */
  profilesThatSet(...path: string[]): readonly string[] {
    if (this.profile !== null) return []
    const having = this.#profiles.filter(([, ...keys]) => path.every((key, i) => keys[i] === key))
    return [...new Set(having.map(([name]) => name as string))]
  }

  /** Folder of the definitions. */
  get definitions(): string {
    return String(this.value('definitions'))
  }

  /** File of the dead letters; null if they go elsewhere. */
  get deadLetterPath(): string | null {
    return this.value('deadLetter', 'type') === 'file' ? String(this.value('deadLetter', 'path')) : null
  }

  /** A text of the project with its `${env:…}` and `${file:…}` put in; `ConfigError` naming what is missing. */
  resolve(text: string, where = 'the definitions'): string {
    return resolveText(text, { env: this.#env, base: this.root, where })
  }

  /** Limits by pool name. */
  pools(): Record<string, number> {
    const pools: Record<string, number> = {}
    for (const setting of this.#settings.values()) {
      const [first, name] = setting.path
      if (first === 'pools' && name !== undefined) pools[name] = this.#resolve(setting) as number
    }
    return pools
  }

  /** Options for `Defacto.open`, secrets resolved. */
  options(): Record<string, unknown> {
    const options: Record<string, unknown> = {}
    for (const setting of this.#settings.values()) {
      if (!Object.hasOwn(OPTION_KEYS, setting.path[0] as string)) continue
      put(options, setting.path, this.#resolve(setting))
    }
    return options
  }

  /** Every setting in key order, fit to be shown: secrets as `***`. */
  shown(): ShownSetting[] {
    return [...this.#settings.values()]
      .map((setting) => ({ key: pathText(setting.path), value: shownValue(setting), origin: setting.origin }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #resolve(setting: Setting): unknown {
    const where = `${setting.origin}: '${pathText(setting.path)}'`
    const plain = resolveDeep(setting.value, { env: this.#env, base: setting.base, where })
    const value =
      typeof setting.value === 'string' && hasReference(setting.value)
        ? readLeaf(plain, setting.kind, setting.path, setting.origin, true)
        : plain
    return setting.kind.kind === 'text' && setting.kind.path ? absolute(String(value), setting.base) : value
  }
}

/** Reads the layers and checks every one of them; nothing is opened. */
export async function loadProject(inputs: ProjectInputs): Promise<LoadedProject> {
  const { cwd, env } = inputs
  const given = inputs.project ?? env['DEFACTO_PROJECT']
  if (given !== undefined && !isFolder(resolve(cwd, given))) {
    throw new ConfigError(`the project folder ${resolve(cwd, given)} does not exist`)
  }
  const root = given === undefined ? findRoot(cwd) : resolve(cwd, given)
  const named = inputs.config ?? env['DEFACTO_CONFIG']
  const path = named === undefined ? findConfig(root) : resolve(cwd, named)
  const file = path === null ? null : await readConfig(path)

  const settings = new Map<string, Setting>()
  const lay = (layer: readonly Setting[]): void => {
    for (const setting of layer) settings.set(setting.path.join('.'), setting)
  }
  lay(defaults(root))
  const fileSettings = file === null ? [] : settingsOf(file.value, { place: file.place, base: dirname(file.path) })
  lay(fileSettings.filter(({ path: [first] }) => first !== 'profiles'))
  const profile = inputs.profile ?? env['DEFACTO_PROFILE'] ?? null
  if (profile !== null) lay(profileSettings(profile, file?.value, fileSettings))
  // Platforms add variables of their own (`DEFACTO_SERVICE_HOST`): what resembles no key is left alone, but told.
  const ignored: string[] = []
  const ignore = (spelled: readonly string[]): void => void ignored.push(variableOf(spelled))
  lay(settingsOf(environmentValues(env), { place: variableOf, base: cwd, textual: true, ignore }))
  const flags = Object.fromEntries(Object.entries(inputs.flags ?? {}).filter(([, value]) => value !== undefined))
  lay(
    settingsOf(flags, {
      place: (spelled) => `flag --${spelled.join('-').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
      base: cwd,
      textual: true,
    }),
  )
  // The path of the default sink means nothing to another kind of sink.
  const sink = settings.get('deadLetter.type')
  if (sink?.value !== 'file' && settings.get('deadLetter.path')?.origin === 'default')
    settings.delete('deadLetter.path')
  const profiles = fileSettings.filter(({ path: [first] }) => first === 'profiles').map(({ path }) => path.slice(1))
  const project = new LoadedProject({ root, file: path, profile, ignoredVariables: ignored, settings, env, profiles })
  checkProduction(project, settings)
  return project
}

function defaults(root: string): Setting[] {
  // The database and the dead letters live in the project; definitions in it or in `definitions/`.
  const folder = !holdsDefinitions(root) && isFolder(join(root, 'definitions')) ? join(root, 'definitions') : root
  const value = {
    mode: 'development',
    namespace: 'defacto',
    definitions: folder,
    database: join(root, '.defacto', 'defacto.db'),
    deadLetter: { type: 'file', path: join(root, '.defacto', 'dead-letters.jsonl') },
    compliance: { certificates: join(root, '.defacto', 'certificates') },
  }
  return settingsOf(value, { place: () => 'default', base: root })
}

function profileSettings(name: string, file: unknown, all: readonly Setting[]): Setting[] {
  const profiles = (file as { profiles?: unknown } | null | undefined)?.profiles
  const known = typeof profiles === 'object' && profiles !== null ? Object.keys(profiles) : []
  if (!known.includes(name)) {
    const guess = closest(name, known)
    const hint = guess
      ? `; did you mean '${guess}'?`
      : known.length > 0
        ? `; known: ${known.join(', ')}`
        : '; the configuration has none'
    throw new ConfigError(`unknown profile '${name}'${hint}`)
  }
  return all
    .filter(({ path }) => path[0] === 'profiles' && path[1] === name)
    .map((setting) => ({ ...setting, path: setting.path.slice(2), origin: `${setting.origin} (profile ${name})` }))
}

/** `mode: production` wants a server database and no secret in clear (spec 10 §7.2). */
function checkProduction(project: LoadedProject, settings: ReadonlyMap<string, Setting>): void {
  if (project.value('mode') !== 'production') return
  for (const setting of settings.values()) {
    if (setting.origin === 'default') continue
    const clear = inClear(setting)
    const fromFile = !setting.origin.startsWith('DEFACTO_')
    if (clear && fromFile) {
      throw new ConfigError(
        `${setting.origin}: '${pathText(setting.path)}' is a secret in clear; production wants \${env:NAME} or \${file:PATH}`,
      )
    }
  }
  const database = String(project.value('database'))
  if (!/^postgres(ql)?:/i.test(database)) {
    throw new ConfigError("mode 'production' requires a Postgres database: set 'database' to a postgresql:// URL")
  }
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(at, key)) at[key] = {}
    at = at[key] as Record<string, unknown>
  }
  at[path.at(-1) as string] = value
}

/** A relative path seen from `base`; URLs and `:memory:` stay as they are. */
function absolute(text: string, base: string): string {
  return isAbsolute(text) || /^[a-z][a-z0-9+.-]*:/i.test(text) || text === ':memory:' ? text : join(base, text)
}

/** Key table of a whole file, for tools. */
export const CONFIG_KEYS = CONFIG
