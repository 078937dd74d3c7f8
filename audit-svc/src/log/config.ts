import { createPrivateKey } from "node:crypto";
import Type, { type Static } from "typebox";
import { isKeyName } from "./note.js";

const text = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description }));

/** Who signs checkpoints: a key in Vault's transit engine, or one in the file. */
const Signer = Type.Object(
  {
    socket: text(255, "Unix socket of an agent that passes requests to Vault with its own token"),
    mount: text(255, "Where the transit engine is mounted"),
    key: text(255, "The transit engine's key, of the type ed25519"),
    namespace: text(255, "Vault's namespace, if it has any"),
    privateKey: text(1024, "An Ed25519 key as PEM text in PKCS#8, in place of everything else"),
  },
  { additionalProperties: false },
);

export const LogSchema = Type.Object(
  {
    origin: Type.String({
      minLength: 1,
      maxLength: 255,
      description: "The log's name, for ever: by convention a host name and a path, without https://",
    }),
    public: Type.Optional(
      Type.Boolean({ default: false, description: "Whether checkpoints and tiles are open to everybody" }),
    ),
    signer: Signer,
  },
  { additionalProperties: false },
);

export type LogConfig = Static<typeof LogSchema>;
export type SignerConfig = Static<typeof Signer>;

/** What is wrong with these settings beyond their types, beginning with the setting; repeats no value. */
export function problemOfLog({ origin, signer }: LogConfig): string | undefined {
  if (!isKeyName(origin) || origin.includes("+"))
    return "log.origin: must have neither blanks nor +; use a host name and a path, like audit.example.com/vm2";
  const { privateKey, ...vault } = signer;
  if (privateKey === undefined) {
    const missing = (["socket", "mount", "key"] as const).filter((name) => vault[name] === undefined);
    if (missing.length === 0) return undefined;
    return `log.signer: must have ${missing.join(", ")}, to sign by Vault, or privateKey alone`;
  }
  if (Object.keys(vault).length > 0)
    return `log.signer: must not have ${Object.keys(vault).join(", ")} beside privateKey; choose one way to sign`;
  return isEd25519(privateKey)
    ? undefined
    : "log.signer.privateKey: must be an Ed25519 key as PEM text in PKCS#8; make one with openssl genpkey -algorithm ed25519";
}

function isEd25519(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}
