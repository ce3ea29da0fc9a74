/** Completion scripts: words are fixed at generation, so completing a word starts no process. */

interface Flag {
  readonly names: readonly string[]
  readonly takesValue: boolean
  readonly description: string
  readonly choices: readonly string[]
}
interface Branch {
  readonly name: string
  readonly summary: string
  readonly flags: readonly Flag[]
  readonly subcommands: readonly Branch[]
  readonly files: boolean
}
export interface CompletionTree {
  readonly commands: readonly Branch[]
  readonly global: readonly Flag[]
}

const names = (flags: readonly Flag[]): string[] => flags.flatMap((flag) => [...flag.names])

/** Every command path (`dlq list`) with the words that may follow it. */
function paths(tree: CompletionTree): { path: string; words: string[]; files: boolean }[] {
  const found = [{ path: '', words: [...tree.commands.map(({ name }) => name), ...names(tree.global)], files: false }]
  const walk = (branch: Branch, before: string): void => {
    const path = before === '' ? branch.name : `${before} ${branch.name}`
    const words = [...branch.subcommands.map(({ name }) => name), ...names(branch.flags), ...names(tree.global)]
    found.push({ path, words, files: branch.files })
    for (const inner of branch.subcommands) walk(inner, path)
  }
  for (const branch of tree.commands) walk(branch, '')
  return found
}

/** Words that may follow a flag, by what bash sees before them: the command path and the flag. */
function choices(tree: CompletionTree): [pattern: string, words: readonly string[]][] {
  const found: [string, readonly string[]][] = []
  const add = (flags: readonly Flag[], pattern: (name: string) => string): void => {
    for (const flag of flags)
      if (flag.choices.length > 0) for (const name of flag.names) found.push([pattern(name), flag.choices])
  }
  const walk = (branch: Branch, before: string): void => {
    const path = before === '' ? branch.name : `${before} ${branch.name}`
    add(branch.flags, (name) => `"${path} ${name}"`)
    for (const inner of branch.subcommands) walk(inner, path)
  }
  for (const branch of tree.commands) walk(branch, '')
  add(tree.global, (name) => `*" ${name}"`)
  return found
}

function valueFlags(tree: CompletionTree): string[] {
  const all = new Set<string>()
  const walk = (branch: Branch): void => {
    for (const name of names(branch.flags.filter((flag) => flag.takesValue))) all.add(name)
    branch.subcommands.forEach(walk)
  }
  for (const name of names(tree.global.filter((flag) => flag.takesValue))) all.add(name)
  tree.commands.forEach(walk)
  return [...all]
}

export function bash(tree: CompletionTree): string {
  const words = paths(tree).map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`)
  const values = choices(tree).map(
    ([pattern, list]) => `    ${pattern}) COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$word")); return ;;`,
  )
  const known = paths(tree)
    .filter(({ path }) => path !== '')
    .map(({ path }) => `"${path}"`)
  return `# bash completion for defacto
_defacto() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path="" next words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in ${known.join('|')}) path="$next" ;; esac
  done
  case "$path $before" in
${values.join('\n')}
  esac
  case "$before" in
    ${valueFlags(tree).join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [[ \${#COMPREPLY[@]} -eq 0 || "$path" == ingest* ]] && COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _defacto defacto
`
}

export function zsh(tree: CompletionTree): string {
  return `#compdef defacto
autoload -U +X bashcompinit && bashcompinit
${bash(tree)}`
}

export function fish(tree: CompletionTree): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = ['# fish completion for defacto', 'complete -c defacto -f']
  const flagLine = (condition: string, flag: Flag): string => {
    const spelled = flag.names
      .map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
      .join(' ')
    const value = flag.choices.length > 0 ? ` -x -a ${quote(flag.choices.join(' '))}` : flag.takesValue ? ' -r' : ''
    return `complete -c defacto${condition === '' ? '' : ` -n ${quote(condition)}`} ${spelled}${value} -d ${quote(flag.description)}`
  }
  for (const flag of tree.global) lines.push(flagLine('', flag))
  for (const branch of tree.commands) {
    lines.push(`complete -c defacto -n '__fish_use_subcommand' -a ${branch.name} -d ${quote(branch.summary)}`)
    const inside = `__fish_seen_subcommand_from ${branch.name}`
    for (const flag of branch.flags) lines.push(flagLine(inside, flag))
    if (branch.files) lines.push(`complete -c defacto -n ${quote(inside)} -F`)
    for (const inner of branch.subcommands) {
      lines.push(`complete -c defacto -n ${quote(inside)} -a ${inner.name} -d ${quote(inner.summary)}`)
      for (const flag of inner.flags)
        lines.push(flagLine(`${inside}; and __fish_seen_subcommand_from ${inner.name}`, flag))
    }
  }
  return `${lines.join('\n')}\n`
}

export function pwsh(tree: CompletionTree): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`
  const entries = paths(tree).map(({ path, words }) => `    ${quote(path)} = @(${words.map(quote).join(', ')})`)
  return `# PowerShell completion for defacto
Register-ArgumentCompleter -Native -CommandName defacto -ScriptBlock {
  param($word, $line, $position)
  $words = @{
${entries.join('\n')}
  }
  $path = ''
  foreach ($part in ($line.CommandElements | Select-Object -Skip 1)) {
    $next = ("$path $part").Trim()
    if ($words.ContainsKey($next)) { $path = $next }
  }
  $words[$path] | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`
}
