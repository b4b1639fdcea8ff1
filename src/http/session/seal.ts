import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto"

/** What a session's cookie contains. Times are epoch seconds. */
export interface SealedSession {
  /** Random, and the same for the whole life of the session. No secret. */
  readonly id: string
  readonly token: string
  /** When the user signed in. */
  readonly startedAt: number
  /** When it was sealed. */
  readonly sealedAt: number
}

export interface OpenedSession extends SealedSession {
  /** Whether the first secret has sealed it. */
  readonly isNewestKey: boolean
}

/** Seals sessions with the first secret. Opens what any of the secrets has sealed. */
export interface Seal {
  /** @param purpose the cookie's name. A text that was sealed for another purpose cannot be opened */
  seal(session: SealedSession, purpose: string): string
  /** Undefined if the text was not sealed with one of the secrets, or was changed. */
  open(text: string, purpose: string): OpenedSession | undefined
}

const algorithm = "aes-256-gcm"
const keyIdBytes = 4
const nonceBytes = 12
const tagBytes = 16
const idBytes = 16
/** Two times in seconds, as 32-bit numbers. They suffice until the year 2106. */
const headBytes = idBytes + 8
const overheadBytes = keyIdBytes + nonceBytes + tagBytes
/** The length of a sealed session with the longest token, 1,024 characters. */
export const maxSealedLength = Math.ceil(((overheadBytes + headBytes + 1_024) * 4) / 3)

interface Key {
  /** Says in the sealed text which secret to open it with. */
  readonly id: Buffer
  readonly key: KeyObject
}

/**
 * The sealed text is Base64url of: the key's id, a random nonce, the encrypted session, and the authentication tag of AES-256-GCM.
 * The purpose is authenticated, too.
 * @param secrets at least one
 */
export function createSeal(secrets: readonly string[]): Seal {
  const keys = secrets.map(keyOf)
  const [first] = keys as [Key]

  return {
    seal({ id, token, startedAt, sealedAt }, purpose) {
      const plain = Buffer.alloc(headBytes + token.length)
      plain.write(id, 0, idBytes, "base64url")
      plain.writeUInt32BE(startedAt, idBytes)
      plain.writeUInt32BE(sealedAt, idBytes + 4)
      plain.write(token, headBytes, "latin1")
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv(algorithm, first.key, nonce)
      cipher.setAAD(Buffer.from(purpose))
      const encrypted = [cipher.update(plain), cipher.final()]
      plain.fill(0)
      return Buffer.concat([first.id, nonce, ...encrypted, cipher.getAuthTag()]).toString("base64url")
    },
    open(text, purpose) {
      if (text.length > maxSealedLength) return undefined
      const sealed = Buffer.from(text, "base64url")
      // Other texts decode to the same bytes, such as one with other unused bits at its end.
      if (sealed.length <= overheadBytes + headBytes || sealed.toString("base64url") !== text) return undefined
      const keyId = sealed.subarray(0, keyIdBytes)
      for (const { id, key } of keys) {
        if (!id.equals(keyId)) continue
        const plain = decrypt(key, sealed, purpose)
        if (plain !== undefined) return { ...read(plain), isNewestKey: key === first.key }
      }
      return undefined
    },
  }
}

function decrypt(key: KeyObject, sealed: Buffer, purpose: string): Buffer | undefined {
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(keyIdBytes, keyIdBytes + nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(Buffer.from(purpose))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  const plain = decipher.update(sealed.subarray(keyIdBytes + nonceBytes, -tagBytes))
  try {
    decipher.final()
    return plain
  } catch {
    return undefined
  }
}

/** Reads the decrypted session, and then clears it. */
function read(plain: Buffer): SealedSession {
  const session = {
    id: plain.toString("base64url", 0, idBytes),
    startedAt: plain.readUInt32BE(idBytes),
    sealedAt: plain.readUInt32BE(idBytes + 4),
    token: plain.toString("latin1", headBytes),
  }
  plain.fill(0)
  return session
}

function keyOf(secret: string): Key {
  const derive = (info: string, bytes: number) => Buffer.from(hkdfSync("sha256", secret, "", info, bytes))
  return {
    id: derive("codeocean-gateway session key id", keyIdBytes),
    key: createSecretKey(derive("codeocean-gateway session key", 32)),
  }
}

export function newSessionId(): string {
  return randomBytes(idBytes).toString("base64url")
}
