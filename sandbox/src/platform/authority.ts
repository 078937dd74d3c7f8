import { authority, certificate, type Certificate } from "../certificates.js";
import { addressOf, hostName, type PlatformService, type Settings } from "../settings.js";
import type { State } from "../state.js";

const AUTHORITY = "ca/ca";
/** The sandbox's private certificate authority, as a company would have one. */
export const authorityFile = `${AUTHORITY}.pem`;

/** The certificate of a platform service, for its name and both of its addresses; created once. */
export async function certificateOf(settings: Settings, state: State, service: PlatformService): Promise<Certificate> {
  await authority(state, AUTHORITY, "sandbox authority");
  const names = `DNS:${hostName(service)},DNS:localhost,IP:${addressOf(settings, service)},IP:127.0.0.1`;
  return certificate(state, {
    file: `ca/${service}`,
    authority: AUTHORITY,
    subject: `/CN=${hostName(service)}`,
    extensions: [`subjectAltName=${names}`],
  });
}
