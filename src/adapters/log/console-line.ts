/** The `console` format of spec 07 §10: `YYYY-MM-DDTHH:MM:SS  LEVEL    logger                  message  key=value …`. */

/** One line for people from one JSON line's object, with its line break. */
export function consoleLine(entry: Readonly<Record<string, unknown>>): string {
  const { timestamp, level, logger, message, ...fields } = entry
  const head = [
    String(timestamp ?? '').slice(0, 19),
    String(level ?? '').padEnd(7),
    String(logger ?? '').padEnd(22),
    oneLine(String(message ?? '')),
  ]
  for (const [key, value] of Object.entries(fields)) head.push(`${key}=${fieldText(value)}`)
  const [time, name, source, text, ...pairs] = head
  return `${time}  ${name}  ${source}  ${text}${pairs.length > 0 ? `  ${pairs.join(' ')}` : ''}\n`
}

/** A line break or escape sequence inside a text must not forge lines or drive the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) =>
    JSON.stringify(c)
      .slice(1, -1)
      .replace(/^[^\\].*/s, '?'),
  )
}

function fieldText(value: unknown): string {
  if (typeof value !== 'string') return oneLine(JSON.stringify(value) ?? 'null')
  return value === '' || /[\s"=\u0000-\u001f\u007f-\u009f]/.test(value) ? oneLine(JSON.stringify(value)) : value
}
