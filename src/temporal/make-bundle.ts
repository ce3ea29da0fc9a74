/** `node src/temporal/make-bundle.ts DIR`: writes the workflow bundle that the package brings. Part of `npm run build`. */
import { resolve } from 'node:path'
import { BUNDLE_FILE, makeBundle } from './bundle.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: make-bundle DIR')
await makeBundle(resolve(folder, BUNDLE_FILE))
