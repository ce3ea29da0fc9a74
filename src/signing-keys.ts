/** The key that signs certificates (spec 10 §10.3): configured, or in development made once in a file. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { keyIdOf } from './core/verify-certificate.ts'
import type { Signer } from './engine/privacy/context.ts'
import { ConfigError, StorageError } from './errors.ts'

export interface SigningKey extends Signer {
  /** PEM (SPKI), for whoever verifies. */
  readonly publicKey: string
}

export interface SigningKeyOptions {
  /** PEM (PKCS #8), from the configuration. */
  readonly signingKey?: string | null
  /** Where a key is made if none is configured; null: nowhere. */
  readonly folder: string | null
  readonly mode: 'development' | 'production'
}

const PRIVATE_FILE = 'signing-key.pem'
const PUBLIC_FILE = 'signing-key.pub.pem'
const HOW = `make one with \`openssl genpkey -algorithm ed25519\` and name its file: compliance.signing_key: \${file:/path/to/key.pem}`

/** @throws ConfigError if there is no key, or it is not an Ed25519 private key */
export async function loadSigner({ signingKey = null, folder, mode }: SigningKeyOptions): Promise<SigningKey> {
  if (signingKey !== null) return signerOf(privateKey(signingKey, 'compliance.signing_key'))
  if (mode === 'production' || folder === null) {
    throw new ConfigError(`certificates of erasures have to be signed, and there is no key for it: ${HOW}`, {
      code: 'E_CONFIG_SIGNING_KEY',
    })
  }
  return signerOf(await keyInFolder(folder))
}

/** The public half of a private key, PEM. */
export function publicKeyOf(signingKey: string): string {
  return publicPem(privateKey(signingKey, 'the signing key'))
}

function signerOf(key: KeyObject): SigningKey {
  return {
    keyId: keyIdOf(createPublicKey(key)),
    publicKey: publicPem(key),
    sign: (bytes) => sign(null, bytes, key).toString('base64'),
  }
}

function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}

/** Whatever is wrong with it, nothing of it is told. */
function privateKey(pem: string, where: string): KeyObject {
  let key: KeyObject | null = null
  try {
    key = createPrivateKey(pem)
  } catch {
    // Told below, without what the library says about the content.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new ConfigError(`${where} is not an Ed25519 private key in PEM form (PKCS #8): ${HOW}`, {
    code: 'E_CONFIG_SIGNING_KEY',
  })
}

/** Made once, whoever comes first; only its owner can read it. */
async function keyInFolder(folder: string): Promise<KeyObject> {
  const file = join(folder, PRIVATE_FILE)
  try {
    const found = await readFile(file, 'utf8').catch(absent)
    const key = privateKey(found ?? (await made(folder, file)), file)
    const shown = join(folder, PUBLIC_FILE)
    if ((await readFile(shown, 'utf8').catch(absent)) !== publicPem(key)) await writeFile(shown, publicPem(key))
    return key
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new StorageError(`the key that signs certificates cannot be kept in ${folder} (${reason})`, {
      details: { operation: 'signing key', path: folder, reason },
      cause: error,
    })
  }
}

async function made(folder: string, file: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const temporary = join(folder, `.signing-key.${randomBytes(4).toString('hex')}.part`)
  const { privateKey: key } = generateKeyPairSync('ed25519')
  try {
    await writeFile(temporary, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flush: true })
    await chmod(temporary, 0o600)
    // Another process may have been first: then its key counts.
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(temporary, { force: true })
  }
  return readFile(file, 'utf8')
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
