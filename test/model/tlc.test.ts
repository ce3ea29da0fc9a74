/**
 * The TLA+ text: its configuration files are the worlds of the explorer. If `DEFACTO_TLA2TOOLS` names a tla2tools.jar,
 * TLC explores all of them too, must count the same states, and must notice every switch.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CONFIGURATIONS } from './configurations.ts'
import { SWITCHES } from './switches.ts'
import { cfg, figures, isSafety, protocolFile, protocolText } from './texts.ts'

const JAR = process.env['DEFACTO_TLA2TOOLS']
/** Worlds small enough to check temporal properties in, which costs TLC most of its time. */
const LIVE = ['reset-merge', 'safe-head-crash']
const PATIENCE_MS = 1_800_000

describe('TLA+ text', () => {
  for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
    test(`${name}.cfg is the world of that name`, () => {
      expect(protocolText(`${name}.cfg`)).toBe(cfg(configuration, { liveness: LIVE.includes(name) }))
    })
  }

  test('has a world for each .cfg file', () => {
    const files = readdirSync(protocolFile('')).filter((file) => file.endsWith('.cfg'))
    expect(files.map((file) => file.slice(0, -4)).sort()).toEqual(Object.keys(CONFIGURATIONS).sort())
  })
})

if (JAR === undefined) {
  console.info('TLC does not run: DEFACTO_TLA2TOOLS names no tla2tools.jar (docs/protocol/README.md)')
} else {
  describe('TLC', () => {
    for (const name of Object.keys(CONFIGURATIONS)) {
      test(`explores ${name} and finds what the explorer finds`, { timeout: PATIENCE_MS }, async () => {
        const output = await tlc(JAR, protocolText(`${name}.cfg`))
        expect(output).toContain('Model checking completed. No error has been found.')
        const states = Number(/^\d+ states generated, (\d+) distinct states found, 0 states left/m.exec(output)?.[1])
        expect(states).toBe(figures().get(name)?.states)
      })
    }

    for (const [name, { noticedBy, where }] of Object.entries(SWITCHES)) {
      const safety = noticedBy.filter(isSafety)
      for (const claim of safety.length > 0 ? safety : ['ComesToRest']) {
        test(`notices ${name} by ${claim}`, { timeout: PATIENCE_MS }, async () => {
          const output = await tlc(
            JAR,
            cfg({ ...where, broken: name as keyof typeof SWITCHES }, { liveness: true, claim }),
          )
          expect(output).toMatch(/is violated|Temporal properties were violated/)
        })
      }
    }
  })
}

/** What TLC prints, whatever it finds. */
function tlc(jar: string, configuration: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'defacto-tlc-'))
  copyFileSync(protocolFile('defacto.tla'), join(folder, 'defacto.tla'))
  writeFileSync(join(folder, 'one.cfg'), configuration)
  // TLC unpacks its standard modules there and removes them, also under the feet of another TLC.
  const java = ['-XX:+UseParallelGC', '-Xmx1500m', `-Djava.io.tmpdir=${folder}`, '-cp', jar]
  return new Promise((resolve) => {
    const options = ['-deadlock', '-workers', '1', '-config', 'one.cfg', 'defacto.tla']
    const settings = { cwd: folder, maxBuffer: 1 << 28 }
    execFile('java', [...java, 'tlc2.TLC', ...options], settings, (_, stdout, stderr) => {
      rmSync(folder, { recursive: true, force: true })
      resolve(stdout + stderr)
    })
  })
}
