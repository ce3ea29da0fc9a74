/**
 * Functions that hand-written SQL may call: they read nothing but their arguments (spec 06 §6 rule 1). A list of what is
 * allowed, because a list of what is forbidden is never complete.
 */
import type { ColumnType } from '../column.ts'

/** `argument`: the type of the first argument. */
type Result = ColumnType | 'argument'

const table: readonly (readonly [Result, string])[] = [
  ['integer', 'count length char_length octet_length instr strpos unicode ascii row_number rank dense_rank ntile sign'],
  ['integer', 'json_array_length bit_length datediff date_diff'],
  ['argument', 'sum min max abs coalesce ifnull nullif lag lead first_value last_value nth_value greatest least'],
  ['argument', 'any_value first last mode arg_min arg_max min_by max_by'],
  ['number', 'avg total round ceil ceiling floor trunc sqrt exp ln log log2 log10 pow power pi radians degrees'],
  ['number', 'sin cos tan asin acos atan atan2 sinh cosh tanh percent_rank cume_dist median percentile'],
  ['number', 'percentile_cont percentile_disc stddev stddev_pop stddev_samp variance var_pop var_samp corr julianday'],
  [
    'string',
    'lower upper substr substring trim ltrim rtrim replace concat concat_ws group_concat string_agg left right',
  ],
  ['string', 'lpad rpad reverse initcap split_part quote hex char chr printf format strftime date time to_char typeof'],
  ['string', 'regexp_replace repeat translate overlay json json_array json_object json_group_array json_group_object'],
  ['string', 'json_quote json_type soundex'],
  ['boolean', 'json_valid bool_and bool_or every starts_with ends_with contains regexp_matches isfinite'],
  ['unknown', 'iif if mod random now datetime unixepoch timediff date_trunc date_part extract age make_date'],
  ['unknown', 'make_timestamp to_timestamp to_date strptime epoch epoch_ms year month day hour minute second week'],
  [
    'unknown',
    'quarter dayofweek dayofyear json_extract json_extract_path_text jsonb_extract_path_text likely unlikely',
  ],
  ['unknown', 'likelihood array_agg bit_and bit_or'],
]

export const ALLOWED_FUNCTIONS: ReadonlyMap<string, Result> = new Map(
  table.flatMap(([result, names]) => names.split(' ').map((name): [string, Result] => [name, result])),
)

/** Types that values may be cast to: those of values. `regclass` and its like look names up in the catalogue. */
export const CAST_TYPES: ReadonlySet<string> = new Set([
  ...'int integer bigint smallint tinyint hugeint int2 int4 int8 real double float float4 float8 numeric decimal'.split(
    ' ',
  ),
  ...'text varchar char character string bool boolean date time timestamp timestamptz interval json jsonb uuid blob'.split(
    ' ',
  ),
  'double precision',
  'character varying',
  'time with time zone',
  'time without time zone',
  'timestamp with time zone',
  'timestamp without time zone',
])

/** Types that look names up in the catalogue. */
export function isForbiddenType(name: string): boolean {
  return /^reg(?:class|proc|procedure|oper|operator|type|role|namespace|config|dictionary|collation)$/i.test(name)
}

/** What `validate: false` still refuses: files, code, catalogues, settings, other servers. */
export function isForbiddenFunction(name: string): boolean {
  return FORBIDDEN.test(name)
}
const FORBIDDEN = new RegExp(
  `^(?:${[
    'load_extension|readfile|writefile|edit|fts3_tokenizer|zeroblob|randomblob|sqlite_.*|pragma_.*|dbstat|fsdir|zipfile|lsdir',
    'pg_.*|lo_.*|dblink.*|set_config|current_setting|nextval|setval|currval|lastval|query_to_xml.*|table_to_xml.*',
    'database_to_xml.*|schema_to_xml.*|cursor_to_xml.*|txid_.*|inet_.*|copy_.*',
    'read_.*|glob|query|query_table|getenv|sniff_csv|parquet_.*|sqlite_scan.*|postgres_.*|mysql_.*|iceberg_.*|delta_.*',
    'duckdb_.*|checkpoint|force_checkpoint|summary|which_secret|write_.*|shell.*',
  ].join('|')})$`,
  'i',
)
