/** Import this before the engine: units of work as small as those of the worker processes of these tests. */
process.env['DEFACTO_UNIT_ROWS'] ??= '60'
