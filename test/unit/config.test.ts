/** Configuration: files, variables, flags, profiles, secrets (spec 10 §7.2). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LoadedProject, loadProject, type ProjectInputs } from '../../src/config/project.ts'
import { ConfigError, DefinitionError } from '../../src/errors.ts'
import { projectAccess } from '../../src/project-access.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'defacto-config-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(path: string, text: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  return join(root, path)
}
const load = (inputs: Partial<ProjectInputs> = {}): Promise<LoadedProject> =>
  loadProject({ cwd: root, env: {}, ...inputs })
const problem = async (inputs: Partial<ProjectInputs> = {}): Promise<ConfigError> => {
  const error = await load(inputs).then(
    (project) => project.options(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return error as ConfigError
}
const originOf = (project: LoadedProject, key: string): string | undefined =>
  project.shown().find((setting) => setting.key === key)?.origin

describe('precedence', () => {
  it('is flag, variable, profile, file, default', async () => {
    put('defacto.config.yaml', 'namespace: file\nprofiles:\n  ci: { namespace: profile }\n')
    const env = { DEFACTO_NAMESPACE: 'variable' }
    expect((await load({ cwd: tmpdir() })).value('namespace')).toBe('defacto')
    expect((await load()).value('namespace')).toBe('file')
    expect((await load({ profile: 'ci' })).value('namespace')).toBe('profile')
    expect((await load({ env: { DEFACTO_PROFILE: 'ci' } })).value('namespace')).toBe('profile')
    expect((await load({ profile: 'ci', env })).value('namespace')).toBe('variable')
    expect((await load({ profile: 'ci', env, flags: { namespace: 'flag' } })).value('namespace')).toBe('flag')
  })

  it('knows where every value comes from', async () => {
    put(
      'defacto.config.yaml',
      'log_level: ERROR\ncold_ledger:\n  url: s3://bucket/x\nprofiles:\n  ci:\n    version: v2\n',
    )
    const project = await load({ profile: 'ci', env: { DEFACTO_BATCH_SIZE: '50' }, flags: { database: 'x.db' } })
    expect(originOf(project, 'log_level')).toBe('defacto.config.yaml:1:1')
    expect(originOf(project, 'cold_ledger.url')).toBe('defacto.config.yaml:3:3')
    expect(originOf(project, 'version')).toBe('defacto.config.yaml:6:5 (profile ci)')
    expect(originOf(project, 'batch_size')).toBe('DEFACTO_BATCH_SIZE')
    expect(originOf(project, 'database')).toBe('flag --database')
    expect(originOf(project, 'mode')).toBe('default')
  })

  it('merges maps key by key and replaces lists whole', async () => {
    put(
      'defacto.config.yaml',
      'kafka: { bootstrap_servers: [a, b], topic: t }\nprofiles: { p: { kafka: { bootstrap_servers: c } } }\n',
    )
    expect((await load({ profile: 'p' })).options()['kafka']).toEqual({ bootstrapServers: ['c'], topic: 't' })
  })
})

describe('spellings', () => {
  it('takes snake case, camel case and the dotted form', async () => {
    put('defacto.config.yaml', 'batchSize: 7\nkafka:\n  bootstrap.servers: a\nexpression_clock: wall\n')
    expect((await load()).options()).toMatchObject({
      batchSize: 7,
      kafka: { bootstrapServers: ['a'] },
      expressionClock: 'wall',
    })
  })

  it('reads how long whoever is silent keeps what it has', async () => {
    put('defacto.config.yaml', 'lease_ms: 5000\ntemporal:\n  heartbeat: 2s\n')
    const project = await load()
    expect(project.options()).toMatchObject({ leaseMs: 5000 })
    expect(project.value('temporal', 'heartbeat')).toBe('2s')
    put('defacto.config.yaml', 'lease_ms: 10\n')
    expect((await problem()).message).toContain('lease')
  })

  it('refuses one key in two spellings', async () => {
    put('defacto.config.yaml', 'batch_size: 1\nbatchSize: 2\n')
    expect((await problem()).message).toBe("defacto.config.yaml:2:1: 'batchSize' and 'batch_size' are the same key")
  })

  it('splits variables at two underscores', async () => {
    const env = {
      DEFACTO_DEAD_LETTER__TYPE: 'file',
      DEFACTO_DEAD_LETTER__PATH: '/x/y.jsonl',
      DEFACTO_DEAD_LETTER__MAX_BYTES: '10',
      DEFACTO_CATCH_UP: 'no',
    }
    expect((await load({ env })).options()).toMatchObject({
      deadLetter: { type: 'file', path: '/x/y.jsonl', maxBytes: 10 },
      catchUp: false,
    })
  })

  it('takes a bare text for the url of the cold ledger', async () => {
    const env = { DEFACTO_COLD_LEDGER: 's3://b/p', DEFACTO_COLD_LEDGER__FLUSH_EVERY_MS: '5' }
    expect((await load({ env })).options()['coldLedger']).toEqual({ url: 's3://b/p', flushEveryMs: 5 })
  })
})

describe('the cold ledger', () => {
  it('is a path seen from the file, with settings in every spelling, none of them a secret', async () => {
    put(
      'defacto.config.yaml',
      'cold_ledger:\n  url: archive\n  flush_every_ms: 60000\n  retention: { hot_days: 30 }\n  storage: { region: eu-west-1, forcePathStyle: true }\n',
    )
    expect((await load()).options()['coldLedger']).toEqual({
      url: join(root, 'archive'),
      flushEveryMs: 60000,
      retention: { hotDays: 30 },
      storage: { region: 'eu-west-1', forcePathStyle: true },
    })
    put('defacto.config.yaml', 'cold_ledger: { url: "s3://b/p", storage: { secret_access_key: hush } }\n')
    const { message } = await problem()
    expect(message).toMatch(/unknown key 'secret_access_key' under 'cold_ledger.storage'/)
    expect(message).not.toContain('hush')
  })

  it('comes from variables too', async () => {
    const env = {
      DEFACTO_COLD_LEDGER: 's3://b/p',
      DEFACTO_COLD_LEDGER__RETENTION__HOT_ROWS: '1000',
      DEFACTO_COLD_LEDGER__STORAGE__ENDPOINT: 'http://127.0.0.1:9000',
      DEFACTO_COLD_LEDGER__STORAGE__PATH_STYLE: 'true',
    }
    expect((await load({ env })).options()['coldLedger']).toEqual({
      url: 's3://b/p',
      retention: { hotRows: 1000 },
      storage: { endpoint: 'http://127.0.0.1:9000', pathStyle: true },
    })
  })
})

describe('mistakes', () => {
  it.each([
    ['batch_sise: 1\n', "defacto.config.yaml:1:1: unknown key 'batch_sise'; did you mean 'batch_size'?"],
    ['pool:\n  maximum: 1\n', "defacto.config.yaml:2:3: unknown key 'maximum' under 'pool'"],
    ['batch_size: many\n', "defacto.config.yaml:1:1: 'batch_size' must be a whole number of at least 1"],
    ['catch_up: 1\n', "defacto.config.yaml:1:1: 'catch_up' must be true or false"],
    ['log_level: INF\n', "must be one of DEBUG, INFO, WARNING, ERROR; did you mean 'INFO'?"],
    ['retention: { metadata: { runs: forever } }\n', "'retention.metadata.runs' must be a duration"],
    ['database: [x]\n', "'database' must be text, not a list"],
    ['- a\n', 'the configuration must be a map'],
    ['a: b: c\n', 'defacto.config.yaml:1:'],
    ['profiles: { ci: { profiles: {} } }\n', "unknown key 'profiles' under 'profiles.ci'"],
    ['definitions: ""\n', "'definitions' must not be empty"],
  ])('%j', async (text, message) => {
    put('defacto.config.yaml', text)
    expect((await problem()).message).toContain(message)
  })

  it('checks every profile, used or not', async () => {
    put('defacto.config.yaml', 'profiles:\n  ci:\n    nonsense: 1\n')
    expect((await problem()).message).toContain("defacto.config.yaml:3:5: unknown key 'nonsense'")
  })

  it('names an unknown variable, flag value and profile', async () => {
    expect((await problem({ env: { DEFACTO_NAMESPAC: 'x' } })).message).toBe(
      "DEFACTO_NAMESPAC: unknown key 'namespac'; did you mean 'namespace'?",
    )
    put('defacto.config.yaml', 'profiles: { staging: {} }\n')
    expect((await problem({ profile: 'stagin' })).message).toBe("unknown profile 'stagin'; did you mean 'staging'?")
  })

  it('leaves variables alone that resemble no key, and tells', async () => {
    const project = await load({
      env: { DEFACTO_SERVICE_PORT_80_TCP: 'tcp://1.2.3.4', DEFACTO_FAILPOINT: 'x', OTHER: 'y' },
    })
    expect(project.ignoredVariables).toEqual(['DEFACTO_SERVICE_PORT_80_TCP'])
  })

  it('refuses two files in one folder and a missing one', async () => {
    put('defacto.config.yaml', '')
    put('defacto.config.js', 'export default {}')
    expect((await problem()).message).toMatch(/two configuration files: defacto.config.yaml, defacto.config.js/)
    expect((await problem({ config: 'other.yaml' })).message).toMatch(/other.yaml does not exist/)
    expect((await problem({ project: 'nowhere' })).message).toMatch(/nowhere does not exist/)
  })

  it('does not fall for __proto__', async () => {
    put('defacto.config.yaml', 'pools: { __proto__: 3 }\n__proto__: { polluted: 1 }\n')
    await problem()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('places', () => {
  it('finds the file in the nearest folder above, and paths start at the file', async () => {
    put(
      'defacto.config.yaml',
      'definitions: defs\ndatabase: data/x.db\ndead_letter: { type: file, path: out/d.jsonl }\n',
    )
    mkdirSync(join(root, 'a', 'b'), { recursive: true })
    const project = await load({ cwd: join(root, 'a', 'b') })
    expect(project.root).toBe(root)
    expect(project.definitions).toBe(join(root, 'defs'))
    expect(project.options()).toMatchObject({
      database: join(root, 'data/x.db'),
      deadLetter: { path: join(root, 'out/d.jsonl') },
    })
  })

  it('takes the given project and its own definitions under a shared file', async () => {
    put('defacto.config.yaml', 'namespace: shared\n')
    mkdirSync(join(root, 'one', 'entities'), { recursive: true })
    const project = await load({ project: 'one' })
    expect(project.root).toBe(join(root, 'one'))
    expect(project.value('namespace')).toBe('shared')
    expect(project.definitions).toBe(join(root, 'one'))
    expect(project.options()['database']).toBe(join(root, 'one', '.defacto', 'defacto.db'))
  })

  it('looks into definitions/ when the folder itself holds none', async () => {
    mkdirSync(join(root, 'definitions', 'entities'), { recursive: true })
    expect((await load()).definitions).toBe(join(root, 'definitions'))
    expect((await load()).deadLetterPath).toBe(join(root, '.defacto', 'dead-letters.jsonl'))
  })

  it('leaves URLs and :memory: alone', async () => {
    for (const database of [':memory:', 'postgresql://h/db', 'sqlite:///x.db', '/abs.db']) {
      expect((await load({ flags: { database } })).options()['database']).toBe(database)
    }
  })

  it('reads modules: default export, function, typed', async () => {
    put('defacto.config.ts', "export default { namespace: 'typed' as string, deadLetter: { type: 'table' } }\n")
    const project = await load()
    expect(project.value('namespace')).toBe('typed')
    expect(project.options()['deadLetter']).toEqual({ type: 'table' })
    expect(project.deadLetterPath).toBeNull()
    const js = put('sub/defacto.config.js', 'export default () => ({ batch_sise: 1 })\n')
    expect((await problem({ config: js })).message).toContain("defacto.config.js: unknown key 'batch_sise'")
    const broken = put('broken/defacto.config.js', 'export default (\n')
    expect((await problem({ config: broken })).message).toContain('defacto.config.js cannot be loaded')
  })
})

describe('secrets', () => {
  it('are resolved when used, from variables with defaults and from files', async () => {
    put('secret.txt', 'from-file\n')
    put(
      'defacto.config.yaml',
      `database: "postgresql://u:\${env:PW}@\${env:HOST:-localhost}/db"\nredaction_key: \${file:secret.txt}\nbatch_size: \${env:SIZE}\n`,
    )
    const project = await load({ env: { PW: 'hush', SIZE: '12' } })
    expect(project.options()).toMatchObject({
      database: 'postgresql://u:hush@localhost/db',
      redactionKey: 'from-file',
      batchSize: 12,
    })
  })

  it('are never shown', async () => {
    put(
      'defacto.config.yaml',
      `database: "postgresql://u:clear@h/db"\nredaction_key: k\ngraph: "bolt://\${env:G}"\nkafka: { client: { sasl: { password: p } } }\n`,
    )
    const text = JSON.stringify((await load({ env: { G: 'hidden' } })).shown())
    expect(text).not.toMatch(/clear|"k"|hidden|"p"/)
    expect(text).toContain('postgresql://u:***@h/db')
    expect(text).toContain('bolt://***')
  })

  it('that are missing are a ConfigError with key and place, only when used', async () => {
    put('defacto.config.yaml', `namespace: \${env:NOT_THERE}\nredaction_key: \${file:gone}\n`)
    const project = await load()
    expect(() => project.value('namespace')).toThrow(
      /defacto.config.yaml:1:1: 'namespace': the variable NOT_THERE is not set/,
    )
    expect(() => project.value('redactionKey')).toThrow(/the secret file gone does not exist/)
    expect(project.shown()).toContainEqual(expect.objectContaining({ key: 'namespace', value: '***' }))
  })

  it('must not be in clear in production, which wants Postgres', async () => {
    expect((await problem({ flags: { mode: 'production' } })).message).toMatch(/requires a Postgres database/)
    put('defacto.config.yaml', 'mode: production\ndatabase: postgresql://u:clear@h/db\n')
    const error = await problem()
    expect(error.message).toMatch(/defacto.config.yaml:2:1: 'database' is a secret in clear/)
    expect(error.message).not.toContain('postgresql')
    put('defacto.config.yaml', `mode: production\ndatabase: "postgresql://u:\${env:PW}@h/db"\n`)
    expect((await load({ env: { PW: 'x' } })).options()['mode']).toBe('production')
  })
})

describe('keys of orchestration', () => {
  const file = `
engine: temporal
temporal:
  address: temporal:7233
  namespace: shop
  prefix: shop
  versioning: true
  codec:
    - { id: k2, key: "\${env:KEY_2}" }
    - { id: k1, key: "\${env:KEY_1}" }
pools: { nightly: 1 }
retention: { metadata: { runs: 10d, dead_letters: 1d } }
compliance: { strict: true }
serve: { tokens: { airflow: { token: "\${env:TOKEN}", scopes: [read, run] } } }
telemetry: { otlp: { endpoint: http://localhost:4318, headers: { authorization: hush } } }
`
  const env = { KEY_1: 'one', KEY_2: 'two', TOKEN: 'token-of-airflow' }

  it('are read with their secrets, which are never shown', async () => {
    put('defacto.config.yaml', file)
    const project = await load({ env: { ...env, DEFACTO_POOLS__NIGHTLY: '3', DEFACTO_TEMPORAL__PREFIX: 'ours' } })
    expect(project.value('temporal', 'codec')).toEqual([
      { id: 'k2', key: 'two' },
      { id: 'k1', key: 'one' },
    ])
    expect(project.value('temporal', 'prefix')).toBe('ours')
    expect(project.value('temporal', 'versioning')).toBe(true)
    expect(project.value('serve', 'tokens')).toEqual({
      airflow: { token: 'token-of-airflow', scopes: ['read', 'run'] },
    })
    expect(project.pools()).toEqual({ nightly: 3 })
    expect(project.keys()).toContainEqual(['compliance', 'strict'])
    const shown = JSON.stringify(project.shown())
    expect(shown).not.toMatch(/KEY_1|KEY_2|k1|TOKEN|hush|token-of-airflow/)
    expect(shown).toContain('http://localhost:4318')
  })

  it('take a list of keys from a variable too', async () => {
    const codec = JSON.stringify({ id: 'k1', key: 'one' })
    const project = await load({ env: { DEFACTO_TEMPORAL__CODEC: codec } })
    expect(project.value('temporal', 'codec')).toEqual([{ id: 'k1', key: 'one' }])
    expect(JSON.stringify(project.shown())).not.toContain('one')
  })

  it.each([
    ['temporal: { codec: [{ id: a, kye: x }] }', "unknown key 'kye' under 'temporal.codec'; did you mean 'key'?"],
    ['temporal: { codec: [{ id: a }] }', "every item of 'temporal.codec' needs 'key' as text"],
    ['temporal: { codec: [{ id: a, key: x }, { id: a, key: y }] }', "'temporal.codec' has 'a' twice"],
    ['temporal: { codec: secret }', "'temporal.codec' must be a list of {id, key}, not this text"],
    ['temporal: { versioning: maybe }', "'temporal.versioning' must be true or false"],
    ['temporal: { adress: x }', "unknown key 'adress' under 'temporal'; did you mean 'address'?"],
    ['pools: { nightly: 0 }', "'pools.nightly' must be a whole number of at least 1"],
    ['retention: { metadata: { runs: for ever } }', 'a duration like'],
    ['engine: temporel', "did you mean 'temporal'?"],
  ])('refuses %s', async (text, says) => {
    put('defacto.config.yaml', text)
    const { message } = await problem()
    expect(message).toContain(says)
    expect(message).toContain('defacto.config.yaml:1:')
  })

  it('hold no secret in clear in production', async () => {
    const base = `mode: production\ndatabase: "postgresql://u:\${env:PW}@h/db"\n`
    for (const clear of [
      'temporal: { codec: [{ id: a, key: hush }] }',
      'serve: { tokens: { a: { token: hush, scopes: [read] } } }',
    ]) {
      put('defacto.config.yaml', base + clear)
      const error = await problem({ env: { PW: 'x' } })
      expect(error.message).toMatch(/is a secret in clear/)
      expect(error.message).not.toContain('hush')
    }
  })
})

describe('a project as orchestration sees it', () => {
  const source =
    'web: { event_type: kind, timestamp: at, events: { made: { mappings: { id: { from: id } }, hints: { item: id } } } }\n'
  const entity =
    'item: { starts: new, identity: { id: {} }, states: { new: { when: { made: { effects: [create] } } } } }\n'
  const definitions = (pipeline: string): void => {
    put('definitions/sources/web.yaml', source)
    put('definitions/entities/item.yaml', entity)
    put('definitions/pipelines/nightly.yaml', pipeline)
  }

  it('gives pipelines with the body they were made of, limits and ages', async () => {
    definitions('nightly:\n  steps: [build, tick]\n  concurrency: { pool: night }\n')
    put('defacto.config.yaml', 'definitions: definitions\npools: { night: 2 }\nretention: { metadata: { logs: 2d } }\n')
    const access = projectAccess(await load())
    const { pipeline, body } = (await access.pipelines()).get('nightly')!
    expect(pipeline).toMatchObject({ name: 'nightly', pool: 'night', retry: { attempts: 5 } })
    expect(pipeline.steps.map(({ id, needs }) => [id, needs])).toEqual([
      ['build', []],
      ['tick', ['build']],
    ])
    expect(body).toEqual({ steps: ['build', 'tick'], concurrency: { pool: 'night' } })
    expect(pipeline.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(access.folder).toBe(root)
    expect(access.pools).toEqual({ night: 2 })
    const day = 86_400_000
    expect(access.metadata).toEqual({
      runs: 180 * day,
      ticks: 180 * day,
      checks: 180 * day,
      logs: 2 * day,
      deadLetters: 90 * day,
    })
  })

  it('puts secrets in when they are used, and names the missing ones', async () => {
    const access = projectAccess(await load({ env: { HERE: 'found' } }))
    put('secret', 'of a file\n')
    expect(access.resolve(`a \${env:HERE} b \${file:secret} c \${env:GONE:-default}`)).toBe(
      'a found b of a file c default',
    )
    expect(() => access.resolve(`\${env:GONE}`)).toThrow(/the variable GONE is not set/)
  })

  it('refuses pipelines that need what the project has not', async () => {
    definitions('nightly:\n  steps: [build, flush]\n  concurrency: { pool: nigth }\n')
    put('defacto.config.yaml', 'definitions: definitions\npools: { night: 2 }\n')
    const error = await projectAccess(await load())
      .pipelines()
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(DefinitionError)
    expect((error as DefinitionError).details['errors']).toEqual([
      expect.stringMatching(/^P05 pipelines\/nightly.yaml:2:18: .*cold tier/),
      expect.stringMatching(/^P10 pipelines\/nightly.yaml:3:24: .*did you mean 'night'/),
    ])
  })
})
