import { CATALOG } from '../catalog.ts'
import type { CommandSpec } from '../command.ts'
import { bash, type CompletionTree, fish, pwsh, zsh } from '../completion.ts'
import { GLOBAL_FLAGS } from '../globals.ts'

const SHELLS = { bash, zsh, fish, pwsh } as const

const HOW = {
  bash: 'source <(defacto completion bash)',
  zsh: `defacto completion zsh > "\${fpath[1]}/_defacto"`,
  fish: 'defacto completion fish > ~/.config/fish/completions/defacto.fish',
  pwsh: 'defacto completion pwsh | Out-String | Invoke-Expression',
} as const

export const command: CommandSpec = {
  name: 'completion',
  summary: 'print a completion script for a shell',
  subcommands: Object.entries(SHELLS).map(([shell, script]) => ({
    name: shell,
    summary: `completion for ${shell}`,
    examples: [HOW[shell as keyof typeof SHELLS]],
    async run() {
      const specs = await Promise.all(CATALOG.filter(({ name }) => name !== 'completion').map((entry) => entry.load()))
      const tree: CompletionTree = {
        commands: [...specs, { name: 'completion', summary: command.summary, subcommands: command.subcommands }].map(
          treeOf,
        ),
        global: GLOBAL_FLAGS.map(({ flags, description, choices }) => ({
          ...flagNames(flags),
          description,
          choices: choices ?? [],
        })),
      }
      const text = script(tree)
      return { data: { shell, script: text }, text }
    },
  })),
}

type Branch = CompletionTree['commands'][number]

function treeOf(spec: CommandSpec): Branch {
  return {
    name: spec.name,
    summary: spec.summary,
    flags: (spec.options ?? []).map(({ flags, description, choices }) => ({
      ...flagNames(flags),
      description,
      choices: choices ?? [],
    })),
    subcommands: (spec.subcommands ?? []).map(treeOf),
    files: (spec.arguments ?? []).some(([syntax]) => /file|dir/i.test(syntax)),
  }
}

function flagNames(flags: string): { names: string[]; takesValue: boolean } {
  return { names: flags.replace(/ [<[].*/, '').split(', '), takesValue: flags.includes('<') }
}
