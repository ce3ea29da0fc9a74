/** The ways out: webhook with signature, CloudEvents, a file (spec 10 §3.8). Secrets are put in here and nowhere before. */
import { createHmac } from 'node:crypto'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import type { Json, Notification } from '../../ports/runs.ts'
import type { Orchestration } from '../contract.ts'
import type { Sender } from './deliver.ts'
import { DeliveryError } from './delivery-error.ts'
import { storedAlert } from './rules.ts'

/** What every target gets to know; the id is the same however often it is sent. */
interface Message {
  readonly id: string
  readonly type: string
  readonly space: string
  readonly subject: string
  readonly time: string
  readonly data: Json
}

/** First part of the names of CloudEvents. */
const TYPES: Readonly<Record<string, string>> = {
  failure: 'defacto.run.failed',
  recovered: 'defacto.recovered',
  threshold: 'defacto.input.threshold',
  check: 'defacto.check.failed',
  freshness: 'defacto.asset.stale',
  schedule: 'defacto.schedule.lost',
  retrying: 'defacto.run.retrying',
  erase_deadline: 'defacto.erase.deadline',
  store_pending: 'defacto.erase.store_pending',
}

function messageOf(context: Orchestration, row: Notification): Message {
  const alert = storedAlert(row)
  const { namespace } = context.operations
  if (alert === null) {
    return {
      id: row.id,
      type: `defacto.${row.kind}`,
      space: namespace,
      subject: row.subject,
      time: row.createdAt,
      data: row.payload,
    }
  }
  const { event, severity, pipeline, data, at } = alert
  return {
    id: row.id,
    type: TYPES[event] ?? `defacto.${event}`,
    space: namespace,
    subject: row.subject,
    time: at,
    data: { event, severity, pipeline, ...data },
  }
}

/**
 * `X-Defacto-Signature: sha256=<hex>` is the HMAC-SHA-256 of `<X-Defacto-Timestamp>.<body>` under the secret: a receiver
 * that compares both and the age of the timestamp takes nothing twice from somebody who listened.
 */
export const webhook: Sender = async (context, row, target, signal) => {
  const body = JSON.stringify(messageOf(context, row))
  const timestamp = String(Math.floor(context.clock().getTime() / 1000))
  const given = (target['headers'] ?? {}) as Readonly<Record<string, string>>
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) headers[name] = context.project.resolve(value)
  headers['content-type'] = 'application/json'
  headers['X-Defacto-Id'] = row.id
  headers['X-Defacto-Timestamp'] = timestamp
  if (typeof target['secret'] === 'string') {
    headers['X-Defacto-Signature'] = signatureOf(context.project.resolve(target['secret']), timestamp, body)
  }
  await post(context, target, headers, body, signal)
}

export function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`
}

/** CloudEvents 1.0 in structured mode. */
export const cloudEvents: Sender = async (context, row, target, signal) => {
  const { id, type, space, subject, time, data } = messageOf(context, row)
  const event = {
    specversion: '1.0',
    id,
    source: `defacto/${space}`,
    type,
    subject,
    time: time.replace(/\+00:00$/, 'Z'),
    datacontenttype: 'application/json',
    data,
  }
  await post(context, target, { 'content-type': 'application/cloudevents+json' }, JSON.stringify(event), signal)
}

/** One line of JSON each, behind those that are there. */
export const file: Sender = async (context, row, target) => {
  const named = context.project.resolve(String(target['path']))
  const path = isAbsolute(named) ? named : join(context.project.folder, named)
  await mkdir(dirname(path), { recursive: true })
  await appendFile(path, `${JSON.stringify(messageOf(context, row))}\n`)
}

async function post(
  context: Orchestration,
  target: { readonly [key: string]: Json },
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<void> {
  const url = context.project.resolve(String(target['url']))
  // A redirect would carry headers to a place that nobody named.
  const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
  await response.body?.cancel()
  if (!response.ok) throw new DeliveryError(`the receiver answered ${response.status}`)
}
