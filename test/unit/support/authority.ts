import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A certificate authority in a directory, as a company has one. */
export class Authority {
  readonly file: string;
  readonly pem: string;
  #count = 0;

  constructor(
    private readonly directory: string,
    private readonly name = "ca",
  ) {
    this.file = join(directory, `${name}.pem`);
    const key = join(directory, `${name}.key`);
    openssl("req", "-x509", ...EC, "-days", "2", "-subj", `/CN=${name}`, "-keyout", key, "-out", this.file);
    this.pem = readFileSync(this.file, "utf8");
  }

  /**
   * @param names as OpenSSL writes them, for example `DNS:a.test,IP:127.0.0.1`
   * @param days that it is valid; 0 = it has ended when somebody looks
   */
  issue(names: string, days = 1): { cert: string; key: string } {
    const at = (kind: string) => join(this.directory, `${this.name}-${this.#count}.${kind}`);
    this.#count += 1;
    const [key, csr, ext, cert] = [at("key"), at("csr"), at("ext"), at("pem")];
    writeFileSync(ext, `subjectAltName=${names}\n`);
    openssl("req", "-new", ...EC, "-subj", "/CN=server", "-keyout", key, "-out", csr);
    openssl(
      ...["x509", "-req", "-in", csr, "-extfile", ext, "-days", String(days), "-out", cert, "-CAcreateserial"],
      ...["-CA", this.file, "-CAkey", join(this.directory, `${this.name}.key`)],
    );
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  }
}

const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "ignore" });
