import type { Role } from "./settings.js";

export type Json = Record<string, unknown>;

/** Who last touched a record, and when (ISO 8601). */
export interface Stamps {
  created: string;
  createdBy: string;
  updated: string;
  updatedBy: string;
}

export interface Folder extends Stamps {
  id: number;
  uid: string;
  title: string;
  parentUid: string;
  version: number;
}

export interface Dashboard extends Stamps {
  id: number;
  uid: string;
  slug: string;
  folderUid: string;
  version: number;
  /** The model as it was saved, with `id`, `uid` and `version` filled in. */
  model: Json;
}

export interface DataSource {
  id: number;
  uid: string;
  name: string;
  type: string;
  access: string;
  url: string;
  user: string;
  database: string;
  basicAuth: boolean;
  basicAuthUser: string;
  withCredentials: boolean;
  isDefault: boolean;
  version: number;
  jsonData: Json;
  /** Never leaves the server: the API shows only which keys are set. */
  secureJsonData: Record<string, string>;
}

export interface Annotation {
  id: number;
  dashboardUid: string;
  panelId: number;
  /** Milliseconds since 1970. */
  time: number;
  timeEnd: number;
  tags: string[];
  text: string;
  data: Json;
  created: number;
  updated: number;
  login: string;
}

export interface User {
  id: number;
  login: string;
  /** scrypt, as `salt:hash` in hexadecimal. */
  password: string;
  role: Role;
}

export interface ServiceAccount {
  id: number;
  uid: string;
  name: string;
  login: string;
  role: Role;
  isDisabled: boolean;
}

export interface Token {
  id: number;
  serviceAccountId: number;
  name: string;
  /** sha256 of the key in hexadecimal; the key itself is shown once, at its creation. */
  digest: string;
  created: string;
  /** Undefined: does not expire. */
  expiration: string | undefined;
  lastUsedAt: string | undefined;
}

export interface Session {
  digest: string;
  userId: number;
  /** Milliseconds since 1970. */
  expires: number;
}

/** A rule as the provisioning API takes and gives it. */
export interface AlertRule {
  id: number;
  uid: string;
  folderUid: string;
  group: string;
  provenance: string;
  updated: string;
  body: Json;
}

export interface RuleGroup {
  folderUid: string;
  title: string;
  /** Seconds. */
  interval: number;
}

/** Everything the server remembers. */
export interface State {
  nextId: number;
  users: User[];
  serviceAccounts: ServiceAccount[];
  tokens: Token[];
  sessions: Session[];
  folders: Folder[];
  dashboards: Dashboard[];
  dataSources: DataSource[];
  annotations: Annotation[];
  ruleGroups: RuleGroup[];
  alertRules: AlertRule[];
}

export const ORG_ID = 1;
export const ORG_NAME = "Main Org.";
