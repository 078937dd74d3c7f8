/**
 * Run by a component during a deploy: makes Vault issue a secret_id, which a one-shot on the VM unwraps.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_APPROLE (path of the role),
 * AUDIT_DELIVER (shell line that runs the one-shot).
 */
import { deliverSecretId } from "./delivery";
import { componentSetting, runAsCommand } from "./program";

runAsCommand(() => deliverSecretId(componentSetting("AUDIT_APPROLE"), componentSetting("AUDIT_DELIVER")));
