export { AccessTokens, type AccessTokensArgs, type TokenHash, type TokenVersions } from "./secrets/access-tokens";
export { nameArguments, type Argument } from "../lib/argument-names";
export { addressPlan, type AddressPlan, type Subnet } from "./vm/addresses";
export { findInVault } from "./secrets/agents-in-vault";
export { AuditService, type AuditServiceArgs } from "./release/audit-service";
export { readCertificateAuthority, type CertificateAuthority } from "../lib/certificate-authority";
export { checkCertificates, httpsServer, type Server } from "../lib/check-certificates";
export { handToCi } from "./outputs/ci-outputs";
export { type DatabaseCredentials, type DatabaseServer, type LoginIssuer } from "./database/database-credentials";
export { Database, type Connection, type DatabaseArgs } from "./database/database";
export { type DatabaseAdmin } from "./database/admin-client";
export { warnOfBroadCreateRole } from "./database/database-admin";
export { DockerHost, type DockerHostArgs } from "./vm/docker-host";
export { type CertificateSource } from "./edge/edge-certificate";
export { type ClientRules } from "./edge/client-rules";
export { EdgeProxy, type EdgeProxyArgs, type PublishedFiles } from "./edge/edge-proxy";
export { HostFiles, type HostFilesArgs } from "./vm/host-files";
export { type Left, type Recreated } from "./vm/missing-resources";
export { heldUntil } from "../lib/held";
export { type InVault, type OwnerInVault } from "./secrets/in-vault";
export { bareHost, inUrl } from "../lib/network-address";
export { type ScriptArgs, type ScriptOptions } from "./vm/host-script";
export { type Peer } from "./vm/preflight";
export { LogKey, type LogKeyArgs } from "./secrets/log-key";
export { Networks, type NetworksArgs } from "./vm/networks";
export {
  Observability,
  type AlertsDelivery,
  type ObservabilityArgs,
  type TargetsDelivery,
} from "./observability/observability";
export { type Route } from "../nginx/render";
export { type Link } from "../dashboards";
export { planRelease, releaseId, type ReleasePlan, type Replica, type ReplicaSpec } from "./release/release";
export { type SlotReplicas } from "./release/promote-script";
export { type PromotionContext } from "./release/switch-helper";
export { type ReleaseState, type ReloadPort, type Slot, type SlotRelease } from "../lib/release-state";
export { SecretsBinding, type SecretsBindingArgs } from "./secrets/secrets-binding";
export { secretIdIssue } from "./secrets/secret-id-issue";
export { SshHost, filesHost, type FilesHostArgs, type SshHostArgs } from "./vm/ssh-host";
export { UserError } from "../lib/user-error";
export { forNextRun, lastOutputs, lastRun, STOPS_EARLIER_VERSIONS, type RunState } from "./outputs/run-state";
export { Slots, type SlotsArgs, type SlotsAsSeen } from "./release/slots";
export { type StackInVault } from "../lib/vault/rights";
export { type VaultAccess, type VaultForAgents } from "./secrets/vault-access";
export { type AgentMetrics } from "./secrets/vault-agent";
export { Vm, type VmArgs } from "./vm/vm";
