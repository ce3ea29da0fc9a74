/** Keys that sign certificates, and the folder that keeps them. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CertificateFolder } from '../../src/adapters/files/certificate-folder.ts'
import { certificateText } from '../../src/core/certificate.ts'
import { verifyCertificate } from '../../src/core/verify-certificate.ts'
import { StorageError } from '../../src/errors.ts'
import { loadSigner, publicKeyOf } from '../../src/signing-keys.ts'
import { testChain, testKey } from '../support/certificates.ts'
import { room } from '../support/room.ts'

function freshFolder(): string {
  const folder = mkdtempSync(join(room(), 'defacto-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('the signing key', () => {
  test('is made once in development, whoever comes first, and read by its owner alone', async () => {
    const folder = join(freshFolder(), '.defacto')
    const signers = await Promise.all(Array.from({ length: 8 }, () => loadSigner({ folder, mode: 'development' })))
    expect(new Set(signers.map(({ keyId }) => keyId)).size).toBe(1)
    expect(readdirSync(folder).sort()).toEqual(['signing-key.pem', 'signing-key.pub.pem'])
    expect(statSync(join(folder, 'signing-key.pem')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, 'signing-key.pub.pem'), 'utf8')).toBe(signers[0]?.publicKey)
    const [text = ''] = testChain(1, signers[3] as never).map(certificateText)
    expect(verifyCertificate(text, { publicKey: signers[0]?.publicKey ?? '' })).toEqual([])
    const again = await loadSigner({ folder, mode: 'development' })
    expect(again.keyId).toBe(signers[0]?.keyId)
  })

  test('is the one of openssl, which can check what it signed', async () => {
    const folder = freshFolder()
    const file = join(folder, 'key.pem')
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file])
    const signer = await loadSigner({ signingKey: readFileSync(file, 'utf8'), folder: null, mode: 'production' })
    expect(publicKeyOf(readFileSync(file, 'utf8'))).toBe(signer.publicKey)
    const [certificate] = testChain(1, signer)
    writeFileSync(join(folder, 'public.pem'), signer.publicKey)
    writeFileSync(join(folder, 'hash'), certificate?.hash ?? '')
    writeFileSync(join(folder, 'signature'), Buffer.from(certificate?.signature.value ?? '', 'base64'))
    const checked = execFileSync(
      'openssl',
      ['pkeyutl', '-verify', '-pubin', '-inkey', 'public.pem', '-rawin', '-in', 'hash', '-sigfile', 'signature'],
      { cwd: folder, encoding: 'utf8' },
    )
    expect(checked).toContain('Verified Successfully')
    const der = execFileSync('openssl', ['pkey', '-pubin', '-in', 'public.pem', '-outform', 'DER'], { cwd: folder })
    const digest = execFileSync('openssl', ['dgst', '-sha256', '-r'], { input: der, encoding: 'utf8' })
    expect(digest.slice(0, 16)).toBe(signer.keyId)
  })

  test('is asked for in production, and where there is no place for one', async () => {
    const folder = freshFolder()
    const missing = { code: 'E_CONFIG_SIGNING_KEY', message: expect.stringContaining('openssl genpkey') }
    await expect(loadSigner({ folder, mode: 'production' })).rejects.toMatchObject(missing)
    await expect(loadSigner({ folder: null, mode: 'development' })).rejects.toMatchObject(missing)
    expect(readdirSync(folder)).toEqual([])
  })

  test('is an Ed25519 private key, and nothing of another is told', async () => {
    const folder = freshFolder()
    const rsa = execFileSync('openssl', ['genpkey', '-algorithm', 'rsa', '-pkeyopt', 'rsa_keygen_bits:2048'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    for (const signingKey of [rsa, testKey().pem, 'hunter2', '']) {
      const error = await loadSigner({ signingKey, folder, mode: 'production' }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'E_CONFIG_SIGNING_KEY' })
      expect(String(error)).not.toContain('hunter2')
    }
    writeFileSync(join(folder, 'signing-key.pem'), 'x')
    await expect(loadSigner({ folder, mode: 'development' })).rejects.toMatchObject({ code: 'E_CONFIG_SIGNING_KEY' })
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await expect(loadSigner({ folder: join(file, 'below'), mode: 'development' })).rejects.toThrow(StorageError)
  })
})

describe('the folder of certificates', () => {
  test('holds each whole, by its id', async () => {
    const folder = join(freshFolder(), 'a', 'b')
    const kept = new CertificateFolder(folder)
    const chain = testChain(3, testKey())
    expect([await kept.ids(), await kept.read(chain[0]?.certificate_id ?? '')]).toEqual([[], null])
    for (const certificate of [...chain].reverse()) {
      await kept.keep(certificate.certificate_id, certificateText(certificate))
    }
    await kept.keep(chain[0]?.certificate_id ?? '', certificateText(chain[0] as never))
    writeFileSync(join(folder, 'notes.txt'), 'mine')
    writeFileSync(join(folder, '.c_1.part'), '{')
    mkdirSync(join(folder, 'c_2.json'))
    expect(await kept.ids()).toEqual(chain.map(({ certificate_id: id }) => id))
    expect(await kept.read(chain[1]?.certificate_id ?? '')).toBe(certificateText(chain[1] as never))
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual(['.c_1.part'])
    expect(await kept.read('../../etc/passwd')).toBeNull()
    await expect(kept.keep('../x', '{}')).rejects.toThrow(StorageError)
    expect(existsSync(join(folder, '..', 'x.json'))).toBe(false)
  })

  test('says where it cannot be written or read', async () => {
    const file = join(freshFolder(), 'file')
    writeFileSync(file, '')
    const kept = new CertificateFolder(join(file, 'certificates'))
    const [certificate] = testChain(1, testKey())
    await expect(kept.keep(certificate?.certificate_id ?? '', '{}')).rejects.toThrow(file)
    await expect(kept.ids()).rejects.toThrow(file)
  })
})
