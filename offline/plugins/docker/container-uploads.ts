import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";

import tar from "tar-stream";

import type { Inputs } from "./container-model.js";

type Upload = NonNullable<Inputs["uploads"]>[number];

function owner(value: string | undefined, what: string, file: string): number {
  if (value === undefined || value === "") return 0;
  if (/^\d+$/.test(value)) return Number(value);
  throw new Error(
    `sandbox stand-in: upload of ${file}: ${what} ${JSON.stringify(value)} is not implemented as a name; give the number`,
  );
}

async function contentOf(upload: Upload): Promise<Buffer> {
  const given = [upload.content, upload.contentBase64, upload.source].filter(
    (value) => value !== undefined && value !== "",
  );
  // An empty content counts as not given: there are no empty uploads.
  if (given.length === 0)
    throw new Error("error with upload content: one of 'content', 'content_base64', or 'source' must be set");
  if (given.length > 1)
    throw new Error("error with upload content: only one of 'content', 'content_base64', or 'source' can be set");
  if (upload.content !== undefined && upload.content !== "") return Buffer.from(upload.content);
  if (upload.contentBase64 !== undefined && upload.contentBase64 !== "")
    return Buffer.from(upload.contentBase64, "base64");
  try {
    return await readFile(upload.source ?? "");
  } catch (error) {
    throw new Error(`could not read file: ${(error as Error).message}`, { cause: error });
  }
}

/** The archive for one upload: mode 0644, 0744 when executable, or what `permissions` says; owned by root unless told otherwise. */
export async function archiveOf(upload: Upload): Promise<Buffer> {
  const content = await contentOf(upload);
  const permissions = upload.permissions ?? "";
  const mode = permissions !== "" ? Number.parseInt(permissions, 8) : upload.executable === true ? 0o744 : 0o644;
  const uid = owner(upload.owner, "owner", upload.file);
  const gid = owner(upload.group, "group", upload.file);
  const pack = tar.pack();
  pack.entry({ name: upload.file, mode, uid, gid, size: content.length, mtime: new Date() }, content);
  pack.finalize();
  return buffer(pack);
}
