/**
 * JSON in text columns on Postgres (spec 06 §5.2). Casting text that is no JSON is an error here and the test for it came
 * with version 16, so the text is read by regular expressions first: its strings become `@`, its other scalars `#`, and
 * then lists and objects of those become `#`, from the inside out, until nothing changes.
 */
import { bound, type Fragment, text } from '../fragment.ts'
import { type JsonStep, jsonSteps } from '../json-path.ts'
import type { CallTerm } from '../term.ts'

const STRING = '"([^"\\\\\\u0001-\\u001F]|\\\\["\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4})*"'
const SCALAR = 'true|false|null|-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?'
const COMPOUND = '\\[([@#](,[@#])*)?\\]|\\{(@:[@#](,@:[@#])*)?\\}'
/** What can stand outside of strings. */
const FOREIGN = '[^][{},:0-9eE+.truefalsn \\t\\n\\r-]'
/** Escapes that no text of this server can hold: NUL and halves of characters. */
const PAIR = '\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}'
const NO_TEXT = '\\\\u(0000|[dD][89a-fA-F])'

/** `jsonPath`: one kind of value at a path. A sub-select, so that the text is read once. */
export function jsonPath(json: Fragment, { args: [, path], to }: CallTerm): Fragment {
  const steps = jsonSteps(path?.op === 'value' ? path.value : '$') ?? []
  const found = ["json_v #>> '{}'"]
  const value = {
    string: text`case json_typeof(json_v) when 'string' then ${found} end`,
    number: text`case json_typeof(json_v) when 'number' then ${jsonNumber(text`(${found})`, 'number')} end`,
    integer: text`case json_typeof(json_v) when 'number' then ${jsonNumber(text`(${found})`, 'integer')} end`,
    boolean: text`case json_typeof(json_v) when 'boolean' then (${found})::boolean end`,
    datetime: text`null`,
  }[to ?? 'string']
  const inner = text`select (case when ${isJson(json)} then ${json} end)::json${steps.flatMap(member)} as json_v offset 0`
  return text`(select ${value} from (${inner}) as json_s)`
}

/** A name leads into objects only, an index into lists only. */
function member(step: JsonStep): Fragment {
  return typeof step === 'number' ? text` -> ${String(step)}` : text` -> ${bound(step)}::text`
}

function isJson(json: Fragment): Fragment {
  const bare = text`regexp_replace(${json}, '${STRING}', '', 'g')`
  const strings = text`regexp_replace(${json}, '${STRING}', '@', 'g')`
  const scalars = text`regexp_replace(regexp_replace(${strings}, '${SCALAR}', '#', 'g'), '[ \\t\\n\\r]', '', 'g')`
  const start = text`case when ${bare} ~ '${FOREIGN}' then null else ${scalars} end`
  const next = `regexp_replace(json_t, '${COMPOUND}', '#', 'g')`
  const reduced = text`with recursive json_r(json_t) as (select ${start} union select ${next} from json_r) select bool_or(json_t in ('@', '#')) from json_r`
  const halves = text`regexp_replace(${json}, '${PAIR}', '', 'g') ~ '${NO_TEXT}'`
  return text`(${reduced}) and not ${halves}`
}

const SPACE = '[ \\t\\n\\r]*'

/** JSON numbers that are certain to fit a double, so that the cast cannot fail. */
const WHOLE = '-?(0|[1-9]\\d{0,99})'
const MODERATE = `${WHOLE}(\\.\\d{1,99})?([eE][+-]?0*1?\\d?\\d)?`
const EXTREME = '-?[1-9](\\.\\d{1,30})?[eE]([+]?(2\\d\\d|30[0-7])|-(2\\d\\d|3[01]\\d|32[0-3]))'

/**
 * Only JSON numbers are read, other text becomes null; so do numbers beyond a double, those of 100 digits
 * and those of several digits before the point with an exponent beyond 199.
 */
export function jsonNumber(arg: Fragment, to: string): Fragment {
  if (to === 'integer') {
    const clamped = text`least(greatest(${arg}::numeric, -9223372036854775808), 9223372036854775807)::bigint`
    return text`case when ${arg} ~ '^${SPACE}${WHOLE}${SPACE}$' then ${clamped} end`
  }
  return text`case when ${arg} ~ '^${SPACE}(${MODERATE}|${EXTREME})${SPACE}$' then cast(${arg} as double precision) end`
}
