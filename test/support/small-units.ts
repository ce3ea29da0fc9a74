/** Import this before the engine: its units of work hold a few rows only, so that small tests cross many of them. */
process.env['DEFACTO_UNIT_ROWS'] ??= '4'
