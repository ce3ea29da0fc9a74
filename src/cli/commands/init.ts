import { existsSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import type { CommandSpec } from '../command.ts'
import { text } from '../options.ts'
import { kindOfFolder, SCHEMA_FOLDER, schemaFiles } from '../schemas.ts'
import type { Template } from '../templates/template.ts'
import { writeFiles } from '../write.ts'

const TEMPLATES: Readonly<Record<string, () => Promise<Template>>> = {
  quickstart: async () => (await import('../templates/quickstart.ts')).quickstart,
  showcase: async () => (await import('../templates/showcase.ts')).showcase,
  compliance: async () => (await import('../templates/compliance.ts')).compliance,
}

export const command: CommandSpec = {
  name: 'init',
  summary: 'create a project from a template',
  arguments: [['[dir]', 'folder of the project (default: here)']],
  options: [{ flags: '--template <name>', description: 'default: quickstart', choices: Object.keys(TEMPLATES) }],
  examples: ['defacto init my-project', 'defacto init --template showcase shop'],
  async run(context, [dir = '.'], options) {
    const name = text(options, 'template') ?? 'quickstart'
    const template = await (TEMPLATES[name] as () => Promise<Template>)()
    const root = resolve(context.cwd, dir)
    const files = { ...template.files, ...(await extras(name)) }
    const kept = Object.keys(files).filter((path) => isYours(path) && existsSync(join(root, path)))
    const contents = Object.entries(files)
      .filter(([path]) => !kept.includes(path))
      .map(([path, content]) => [path, withModeline(path, content)] as const)
    const taken = contents.map(([path]) => path).filter((path) => !isGenerated(path) && existsSync(join(root, path)))
    if (taken.length > 0) await context.confirm(`${root} already has ${taken.join(', ')}. Overwrite?`)
    if (kept.length > 0) context.output.note(`kept as they are: ${kept.join(', ')}`)
    await writeFiles(root, contents)
    const enter = relative(context.cwd, root)
    const next = [...(enter === '' ? [] : [`cd ${enter}`]), ...template.next]
    return {
      data: { project: root, template: name, files: contents.map(([path]) => path), next },
      receipt: true,
      text: ({ paint }) =>
        [
          `${paint.green('created')} ${basename(root)} from template ${name}: ${template.summary}`,
          ...contents.map(([path]) => `  ${path}`),
          '',
          paint.bold('next'),
          ...next.map((line) => `  ${line}`),
        ].join('\n'),
    }
  },
}

/** Files of the repository around the project: never replaced. */
function isYours(path: string): boolean {
  return path === '.gitignore' || path.startsWith('.vscode/')
}

function isGenerated(path: string): boolean {
  return path.startsWith(`${SCHEMA_FOLDER}/`)
}

/** What every project gets: configuration, schemas for editors, ignored state. */
async function extras(template: string): Promise<Record<string, string>> {
  const schemas = await schemaFiles()
  const settings: Record<string, string[]> = {}
  for (const { kind, file } of schemas) settings[`./${SCHEMA_FOLDER}/${file}`] = [`${kind}/*.yaml`, `${kind}/*.yml`]
  return {
    'defacto.config.yaml': `# Settings of this project; every key can also be a flag or a DEFACTO_* variable.
# See what is in force with: defacto config show --origin
mode: development
definitions: .
${template === 'compliance' ? 'strict: true\nschema_validation: enforce\n' : ''}
# database: \${env:DATABASE_URL}        default: .defacto/defacto.db
# dead_letter: { type: file, path: .defacto/dead-letters.jsonl, max_bytes: 10000000 }
# profiles:
#   ci: { database: ":memory:", log_level: WARNING }
`,
    '.gitignore': `# state of the local database; the schemas for editors are kept
.defacto/*
!${SCHEMA_FOLDER}/
`,
    '.vscode/settings.json': `${JSON.stringify({ 'yaml.schemas': settings, 'yaml.customTags': [] }, null, 2)}\n`,
    '.vscode/extensions.json': `${JSON.stringify({ recommendations: ['redhat.vscode-yaml'] }, null, 2)}\n`,
    ...Object.fromEntries(schemas.map(({ file, text: schema }) => [`${SCHEMA_FOLDER}/${file}`, schema])),
  }
}

/** Definition files say which schema they follow, for every editor with a YAML language server. */
function withModeline(path: string, content: string): string {
  const kind = kindOfFolder(path)
  return kind === null ? content : `# yaml-language-server: $schema=../${SCHEMA_FOLDER}/${kind}.json\n${content}`
}
