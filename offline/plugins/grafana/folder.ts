import type * as grafana from "@pulumiverse/grafana";
import { defineResource, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { type Api, AnswerError } from "./api.js";
import { existingOrgId, newOrgId, orgResourceId } from "./ids.js";

type FolderClass = typeof grafana.oss.Folder;
type FolderState = StateOf<FolderClass>;

interface Folder {
  readonly uid: string;
  readonly title: string;
  readonly url: string;
  readonly parentUid?: string;
}

async function readFolder(api: Api, id: string): Promise<{ id: string; state: FolderState } | undefined> {
  const { orgId, uid } = existingOrgId(api, id);
  const folder = await api.find<Folder>("getFolderByUid", `/folders/${encodeURIComponent(uid)}`, orgId);
  if (folder === undefined) return undefined;
  return {
    id: orgResourceId(orgId, folder.uid),
    state: {
      orgId: String(orgId),
      title: folder.title,
      uid: folder.uid,
      url: api.link(folder.url),
      parentFolderUid: folder.parentUid ?? "",
    },
  };
}

async function parentUid(api: Api, orgId: number, uid: string): Promise<string> {
  const parent = await api.find<Folder>("getFolderByUid", `/folders/${encodeURIComponent(uid)}`, orgId);
  if (parent === undefined) throw new Error(`failed to find parent folder '${uid}'`);
  return parent.uid;
}

async function stateAfter(api: Api, id: string): Promise<{ id: string; state: FolderState }> {
  try {
    const found = await readFolder(api, id);
    if (found === undefined) throw new Error(`folder ${id} is gone right after it was written`);
    return found;
  } catch (error) {
    throw new PartialFailure<FolderState>(id, {}, [messageOf(error)]);
  }
}

/** grafana_folder. Deleting it deletes the dashboards inside, also those that nobody here made. */
export const folder = defineResource<FolderClass, Api>({
  token: "grafana:oss/folder:Folder",
  inputs: {
    orgId: { forceNew: true },
    uid: {
      computed: true,
      forceNew: true,
      validate: (uid) =>
        /^[a-zA-Z0-9_-]+$/.test(uid) ? undefined : "folder UIDs can only be alphanumeric, dashes, or underscores",
    },
    title: { required: true },
    preventDestroyIfNotEmpty: { default: false },
    parentFolderUid: {},
  },
  outputs: { url: {} },
  customizeDiff: (_state, inputs) => (inputs.orgId === undefined ? { unchanged: ["orgId"] } : {}),

  create: (api, inputs) =>
    api.inTurn("folder", async () => {
      const orgId = newOrgId(api, inputs.orgId);
      const parent = inputs.parentFolderUid ? { parentUid: await parentUid(api, orgId, inputs.parentFolderUid) } : {};
      const body = { title: inputs.title, ...(inputs.uid ? { uid: inputs.uid } : {}), ...parent };
      let made: Folder;
      try {
        made = await api.call<Folder>("createFolder", "POST", "/folders", orgId, body);
      } catch (error) {
        throw new Error(`failed to create folder: ${messageOf(error)}`, { cause: error });
      }
      return stateAfter(api, orgResourceId(orgId, made.uid));
    }),

  read: (api, id) => readFolder(api, id),

  update: (api, id, _old, inputs, { changed }) =>
    api.inTurn("folder", async () => {
      const { orgId, uid } = existingOrgId(api, id);
      const path = `/folders/${encodeURIComponent(uid)}`;
      if (changed.has("parentFolderUid")) {
        const parent = inputs.parentFolderUid ? await parentUid(api, orgId, inputs.parentFolderUid) : "";
        await api.call("moveFolder", "POST", `${path}/move`, orgId, { parentUid: parent });
      }
      await api.call("updateFolder", "PUT", path, orgId, { title: inputs.title, overwrite: true });
      return stateAfter(api, orgResourceId(orgId, uid));
    }),

  delete: (api, id, state) =>
    api.inTurn("folder", async () => {
      const { orgId, uid } = existingOrgId(api, id);
      let query = "?forceDeleteRules=true";
      if (state.preventDestroyIfNotEmpty === true) {
        query = "";
        const inside = await api.call<{ title: string }[]>(
          "search",
          "GET",
          `/search?folderUIDs=${encodeURIComponent(uid)}`,
          orgId,
        );
        if (inside.length > 0) {
          const titles = inside.map(({ title }) => title).join(" ");
          throw new Error(
            `folder ${uid} is not empty and prevent_destroy_if_not_empty is set. It contains the following dashboards and/or folders: [${titles}]`,
          );
        }
      }
      try {
        await api.call("deleteFolder", "DELETE", `/folders/${encodeURIComponent(uid)}${query}`, orgId);
      } catch (error) {
        if (!(error instanceof AnswerError && error.status === 404)) throw error;
      }
    }),
});
