import { parseVaultSettings } from "../../../../bootstrap/settings";

/** Settings of bootstrap/vault.ts that have what is needed and nothing else. */
export const given = {
  gitlab: { url: "https://gitlab.example.test", project: "team/audit", projectId: 42 },
  audience: "https://vault.example.test:8200",
};
export const settings = (change: object = {}) => parseVaultSettings({ ...given, ...change }, "settings.json");
