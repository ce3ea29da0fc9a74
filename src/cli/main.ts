#!/usr/bin/env node
/** Entry of the command line: keeps compiled code from one start to the next, then does the work. */
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Most of a short command's time is compiling. A cache that cannot be written is no cache and no error.
if (process.env['NODE_COMPILE_CACHE'] === undefined) {
  enableCompileCache(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'defacto', 'code'))
}
await import('./run.ts')
