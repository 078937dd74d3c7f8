import { AGENT_LISTENER } from "./render";

/** Renders what looks after an agent, in its own container. Pure: test/unit/vault-agent.test.ts asserts the exact output. */
export interface HealthScript {
  /** File that the agent renders. */
  rendered: string;
  /** Script that prints how the agent is logged in; the text is {@link renderLookScript}'s. */
  look: string;
  /** File with the end of the secret_id, seconds since 1970 or +Inf. */
  secretIdExpiry: string;
  /** File for Prometheus. */
  metrics: string;
  /** The template's command and the file in which it notes how it ended; an agent without one has nothing to reload. */
  reload?: { command: string; resultFile: string };
}

/**
 * Prints the seconds that the agent's token lives on, and which issue of the secret_id it came from; nothing when Vault does not take it.
 *
 * @param namespace the token's own; the agent hands requests on with their headers alone
 */
export function renderLookScript(namespace?: string): string {
  const within = namespace === undefined ? "" : ` --header "X-Vault-Namespace: ${namespace}"`;
  return `#!/bin/sh
# Written by the program. The answer holds the token itself, so only what is asked for is let through.
wget -q -T 3 -O - --header "X-Vault-Request: true"${within} http://${AGENT_LISTENER}/v1/auth/token/lookup-self 2> /dev/null |
  sed -n 's/.*"meta":{[^}]*"issue":"\\([^"]*\\)".*"ttl":\\([0-9]*\\).*/\\2 \\1/p'
`;
}

/**
 * Docker's health check: healthy is an agent whose token Vault takes, whose file is there, and whose last change every replica
 * has confirmed. Each run also writes down for Prometheus what it has seen.
 */
export function renderHealthScript(script: HealthScript): string {
  const { reload } = script;
  const confirmed =
    reload === undefined
      ? ""
      : `
confirmed=1
if grep -qs ^failed ${reload.resultFile}; then confirmed=0; fi
`;
  const again =
    reload === undefined
      ? ""
      : `# Vault Agent runs a command that failed again at the next change only.
if [ "$confirmed" = 0 ] && ! sh ${reload.command}; then exit 1; fi
`;
  const series = [
    ["logged_in", "Whether Vault took the agent's token at the last look", "$logged_in"],
    ["last_success_timestamp_seconds", "When Vault last took the agent's token; 0 = not yet", "$success"],
    ["token_expiry_timestamp_seconds", "End of the agent's token, unless it is renewed; 0 = none yet", "$expiry"],
    [
      "secret_id_expiry_timestamp_seconds",
      "End of the secret_id, which the agent needs to log in again",
      `$(cat ${script.secretIdExpiry} 2> /dev/null || echo 0)`,
    ],
    ...(reload === undefined
      ? []
      : [["reload_confirmed", "Whether every serving replica has confirmed the last change", "$confirmed"]]),
  ].flatMap(([name, help, value]) => [
    `# HELP audit_agent_${name} ${help}`,
    `# TYPE audit_agent_${name} gauge`,
    `audit_agent_${name} ${value}`,
  ]);
  return `#!/bin/sh
# Written by the program. Docker runs it every few seconds; the log of its output is in \`docker inspect\`, so it says nothing secret.
set -u
umask 022
now=$(date +%s)
look=$(sh ${script.look})
logged_in=0
if [ -n "$look" ]; then
  logged_in=1
  echo "$now $(( now + \${look%% *} ))" > /tmp/last-look
fi
success=0
expiry=0
if [ -f /tmp/last-look ]; then read -r success expiry < /tmp/last-look; fi
${confirmed}
cat > ${script.metrics}.new << END
${series.join("\n")}
END
mv ${script.metrics}.new ${script.metrics}

${again}if [ "$logged_in" = 0 ]; then echo "Vault does not answer, or does not take the agent's token"; exit 1; fi
if [ ! -s ${script.rendered} ]; then echo "${script.rendered} is not rendered"; exit 1; fi
`;
}

/**
 * Shell text for the VM: waits until the agent is logged in by the secret_id that lies in its volume, and prints which issue of it
 * that is. An agent reads its credentials when it logs in only, so one that goes on with the former is started again; the file
 * that it has rendered stays meanwhile.
 *
 * @param deadline seconds
 */
export function loggedInScript(container: string, deadline = 60): string {
  const ask = `docker exec ${container} sh -c 'echo "$(cat /credentials/issue) $(sh /agent/look.sh)"'`;
  return [
    "begin=$(date +%s)",
    "restarted=",
    "while :; do",
    `  set -- $(${ask} 2> /dev/null)`,
    '  if [ "$#" = 3 ] && [ "$1" = "$3" ]; then echo "$1"; exit 0; fi',
    "  waited=$(( $(date +%s) - begin ))",
    `  if [ "$waited" -ge ${deadline} ]; then`,
    `    said=$(docker logs --tail 20 ${container} 2>&1)`,
    '    echo "$said" >&2',
    `    echo "${container} has not logged in to Vault with its new secret_id within ${deadline} s; its last lines are above. What it rendered before is still there, and the former secret_id still works." >&2`,
    // A secret_id that is wrong is another message; only who is shut out, or calls from elsewhere, is denied the log-in itself.
    `    case $said in *"permission denied"*) echo "Vault denies it the log-in: the role is shut out for 15 minutes, as it is after five refusals where bootstrap/vault.ts was not run (docs/runbook.md), or log-ins are bound to other addresses." >&2 ;; esac`,
    "    exit 1",
    "  fi",
    // Either it is logged in by the former, or it waits longer and longer between its attempts.
    `  if [ -z "$restarted" ] && { [ "$#" = 3 ] || [ "$waited" -ge 10 ]; }; then restarted=yes; docker restart --time 10 ${container} > /dev/null; fi`,
    "  sleep 0.1",
    "done",
  ].join("\n");
}
