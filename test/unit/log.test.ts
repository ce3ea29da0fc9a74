/** The built-in logger (spec 07 §10). */
import { describe, expect, it } from 'vitest'
import { createLogger, silentLogger } from '../../src/adapters/log/logger.ts'
import { instantFromText } from '../../src/core/instant.ts'
import type { LogFormat, LogLevel, LogTarget } from '../../src/ports/logger.ts'

function recording(options: { level?: LogLevel; format?: LogFormat } = {}) {
  const lines: string[] = []
  const stream = { write: (text: string) => lines.push(text) }
  const logger = createLogger({ ...options, stream, clock: () => new Date('2024-03-01T09:30:15.250Z') })
  return { logger, lines }
}

describe('console format', () => {
  it('pads level and logger and puts the fields behind the message', () => {
    const { logger, lines } = recording()
    logger.child('defacto.pipeline').info('build completed', { mode: 'FULL', duration_ms: 12 })
    expect(lines).toEqual([
      '2024-03-01T09:30:15  INFO     defacto.pipeline        build completed  mode=FULL duration_ms=12\n',
    ])
  })

  it('aligns every level and quotes values with blanks', () => {
    const { logger, lines } = recording({ level: 'DEBUG' })
    const log = logger.child('defacto.dead_letter')
    log.debug('a')
    log.warn('b', { reason: 'disk full', list: [1, 'x'], none: null })
    log.error('c', { empty: '' })
    expect(lines).toEqual([
      '2024-03-01T09:30:15  DEBUG    defacto.dead_letter     a\n',
      '2024-03-01T09:30:15  WARNING  defacto.dead_letter     b  reason="disk full" list=[1,"x"] none=null\n',
      '2024-03-01T09:30:15  ERROR    defacto.dead_letter     c  empty=""\n',
    ])
  })

  it('cannot be made to forge a line or drive the terminal', () => {
    const { logger, lines } = recording()
    logger.info('first\nsecond \u001b[31m', { note: 'x\u2028y\n\u009b31m' })
    expect(lines).toHaveLength(1)
    expect(lines[0]?.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/)
  })
})

describe('json format', () => {
  it('is one object per line with the four keys and all fields', () => {
    const { logger, lines } = recording({ format: 'json' })
    logger.child('defacto.storage').error('storage operation failed', { operation: 'append', at: new Date(0) })
    expect(JSON.parse(lines[0] as string)).toEqual({
      timestamp: '2024-03-01T09:30:15.250Z',
      level: 'ERROR',
      logger: 'defacto.storage',
      message: 'storage operation failed',
      operation: 'append',
      at: '1970-01-01T00:00:00.000Z',
    })
    expect(lines[0]?.endsWith('}\n')).toBe(true)
  })

  it('writes instants as UTC text, bigints as digits, and never lets a field replace a key of the line', () => {
    const { logger, lines } = recording({ format: 'json' })
    logger.info('m', {
      at: instantFromText('2024-01-01T01:00:00+01:00'),
      n: 2n ** 60n,
      level: 'x',
      message: 'y',
      fn: () => 1,
    })
    const line = JSON.parse(lines[0] as string) as Record<string, unknown>
    expect(String(line['at'])).toMatch(/^2024-01-01T00:00:00/)
    expect(line).toMatchObject({ level: 'INFO', message: 'm', field_level: 'x', field_message: 'y', fn: null })
    expect(line['n']).toBe('1152921504606846976')
  })

  it('masks secrets by key and passwords inside URLs', () => {
    const { logger, lines } = recording({ format: 'json' })
    logger.info('m', {
      api_key: 'k',
      inner: { password: 'p' },
      url: 'postgres://u:hush@h/db',
      error: new Error('at mysql://a:b@c'),
    })
    const text = lines[0] as string
    expect(text).not.toMatch(/hush|"k"|"p"|:b@/)
    expect(JSON.parse(text)).toMatchObject({ api_key: '***', inner: { password: '***' }, url: 'postgres://u:***@h/db' })
  })
})

describe('levels and instances', () => {
  it('drops what is below the level; default INFO', () => {
    const { logger, lines } = recording()
    logger.debug('no')
    logger.info('yes')
    expect(lines).toHaveLength(1)
    const quiet = recording({ level: 'ERROR' })
    quiet.logger.warn('no')
    expect(quiet.lines).toEqual([])
  })

  it('keeps two loggers of one process apart', () => {
    const a = recording({ level: 'DEBUG', format: 'json' })
    const b = recording()
    a.logger.debug('only a')
    b.logger.info('only b')
    expect(a.lines).toHaveLength(1)
    expect(b.lines).toEqual([expect.stringContaining('only b')])
  })

  it('takes an injected target of four methods; the name travels as a field', () => {
    const seen: unknown[] = []
    const note =
      (level: string) =>
      (message: string, fields?: object): void => {
        seen.push([level, message, fields])
      }
    const target: LogTarget = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    const logger = createLogger({ target })
    logger.child('defacto.lifecycle').warn('tick completed', { effects_produced: 2 })
    expect(seen).toEqual([['warn', 'tick completed', { logger: 'defacto.lifecycle', effects_produced: 2 }]])
  })

  it('has a silent one', () => {
    expect(() => silentLogger.child('defacto.storage').error('x', { a: 1 })).not.toThrow()
  })
})
