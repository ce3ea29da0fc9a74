/**
 * Runs a server for as long as its owner lives. Between the two stands a shell that reads a pipe only the owner holds:
 * when the pipe ends, because the owner asked for it or was killed, the shell stops the server and removes its folder.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/**
 * Arguments: signal, folder to remove (or nothing), command. The server gets ten seconds to heed the signal. It is in a
 * session of its own with the shell, so that Ctrl-C at a terminal reaches the owner alone, which then stops it in order.
 */
const KEEPER = `
signal=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(
  while read -r _ <&3; do :; done
  trap '' TERM
  kill -s "$signal" "$server"
  tries=0
  while kill -0 "$server" && [ "$tries" -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -s KILL "$server"
  [ -z "$folder" ] || rm -rf "$folder"
) 2>/dev/null &
watcher=$!
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
wait "$watcher"
exit "$status"
`

export interface KeptOptions {
  /** What makes the server stop in order. */
  readonly signal: 'INT' | 'TERM'
  /** File that gets what the server prints. */
  readonly log: string
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Null: as this process. */
  readonly user: { readonly uid: number; readonly gid: number } | null
  /** Folder that goes with the server; null keeps it. */
  readonly temporary: string | null
}

export interface Kept {
  readonly running: boolean
  /** Resolves when the server has ended, by itself or stopped. */
  readonly ended: Promise<void>
  /** Stops the server in order, kills it when it does not heed, and resolves when it is gone. */
  stop(): Promise<void>
}

export function keep(command: readonly string[], options: KeptOptions): Kept {
  const log = openSync(options.log, 'a')
  const shell = spawn('/bin/sh', ['-c', KEEPER, 'keeper', options.signal, options.temporary ?? '', ...command], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['pipe', log, log],
    ...(options.user === null ? {} : { uid: options.user.uid, gid: options.user.gid }),
  })
  closeSync(log)
  let running = true
  const ended = new Promise<void>((resolve, reject) => {
    shell.on('error', reject)
    shell.on('exit', () => {
      running = false
      resolve()
    })
  })
  // The pipe breaks when the shell ends; nothing is ever written to it.
  shell.stdin?.on('error', () => {})
  return {
    get running() {
      return running
    },
    ended,
    stop() {
      shell.stdin?.end()
      return ended
    },
  }
}
