/**
 * Models by their name on the Hugging Face hub, fetched once into the cache that transformers uses too:
 *
 *   models--ORGANISATION--NAME/refs/REVISION      the commit that a branch or tag stood at
 *   models--ORGANISATION--NAME/snapshots/COMMIT   the files of a commit, links to
 *   models--ORGANISATION--NAME/blobs/HASH         their contents
 *
 * So what Python has fetched is found here, and the other way round. The environment is that of huggingface_hub:
 * HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and HF_TOKEN_PATH. Requests are @huggingface/hub's; that
 * package's own download starts again from nothing after an interruption and checks no hash, hence `blobs.ts`.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type * as Hub from "@huggingface/hub";
import { fetchBlob, isWhole, place, type RemoteFile } from "./blobs";
import { INDEX, SINGLE, shardTensors } from "./checkpoint";
import { beginDownload, type Download } from "./downloads";
import { cellSignal } from "./generate";
import { TOKENIZER_FILES } from "./tokenizer";

/** Loaded when it is needed: most models are on disk. */
const hub = (): typeof Hub => require("@huggingface/hub");

/** Whether a text could be the name of a model on the hub: an organisation or user, a slash, a name. */
export const isHubName = (name: string): boolean => /^\w[\w.-]*\/\w[\w.-]*$/.test(name);

/**
 * The folder with a model's files, fetched from the hub where they are not in the cache yet. Only what is read is
 * fetched: config, tokenizer and weights in safetensors. An interrupted download goes on where it stopped.
 * @param name such as "HuggingFaceTB/SmolLM2-135M"
 * @param revision a branch, a tag or a commit
 * @throws when the hub cannot be reached and the cache has not got the model; for a model, revision or file that is not
 *   there; for one that asks for a login; for contents that do not have the hub's hash
 */
export async function fetchModel(name: string, revision = "main"): Promise<string> {
  if (!/^\w[\w./-]*$/.test(revision) || revision.includes("..")) {
    throw new Error(`revision: expected a branch, a tag or a commit, got ${JSON.stringify(revision)}`);
  }
  const repo: Hub.RepoId = { type: "model", name };
  const folder = join(hub().getHFHubCachePath(), hub().getRepoFolderName(repo));
  const cached = await cachedSnapshot(folder, revision);
  // What a commit holds does not change.
  if (cached && COMMIT.test(revision)) return cached;
  if (isOn("HF_HUB_OFFLINE")) {
    if (cached) return cached;
    throw new Error(
      `${name} is not in the cache (${folder}), and HF_HUB_OFFLINE forbids to fetch it. ${OTHER_WAYS(name)}`,
    );
  }

  const endpoint = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const accessToken = await token();
  const signal = cellSignal();
  const access = {
    hubUrl: endpoint,
    accessToken,
    fetch: (url: Parameters<typeof fetch>[0], request?: RequestInit) => fetch(url, { ...request, signal }),
  };
  try {
    const { sha: commit } = await hub().modelInfo({ ...access, name, revision, additionalFields: ["sha"] });
    if (!COMMIT.test(commit)) throw new Error(`${endpoint}: expected a commit of ${name}, got ${commit}`);
    const snapshot = join(folder, "snapshots", commit);
    await fetchSnapshot(folder, snapshot, { ...access, repo, revision: commit }, signal);
    // Last, so that a reference always leads to a whole snapshot.
    if (revision !== commit) await writeReference(join(folder, "refs", revision), commit);
    return snapshot;
  } catch (error) {
    if (signal?.aborted) throw error;
    const status = error instanceof hub().HubApiError ? error.statusCode : undefined;
    if (status !== undefined && status < 500) {
      throw refusal(name, revision, endpoint, status, accessToken !== undefined, error as Error);
    }
    if (status === undefined && !isUnreachable(error)) throw error;
    if (cached) return cached;
    const { cause, message } = error as Error;
    throw new Error(
      `${name} is no folder here, and ${endpoint} could not be asked for it (${(cause as Error)?.message ?? message}). ` +
        OTHER_WAYS(name),
      { cause: error },
    );
  }
}

const COMMIT = /^[0-9a-f]{40}$/;

const OTHER_WAYS = (name: string) =>
  `Without a network, give loadModel the path of a folder with config.json, tokenizer.json and model.safetensors: ` +
  `"hf download ${name} --local-dir FOLDER" makes one on a computer that has a network.`;

/** What every request to the hub is given. */
interface Access {
  repo: Hub.RepoId;
  revision: string;
  hubUrl: string;
  accessToken: string | undefined;
  fetch: typeof fetch;
}

/** Brings the files of a commit into its snapshot, as far as they are not there. */
async function fetchSnapshot(
  folder: string,
  snapshot: string,
  access: Access,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { name } = access.repo;
  const blobs = join(folder, "blobs");
  const listed = new Map<string, RemoteFile>();
  for await (const { type, path, size, oid, lfs } of hub().listFiles(access)) {
    if (type === "file") listed.set(path, { path, size, hash: lfs?.oid ?? oid! });
  }
  const missing = (what: string) =>
    new Error(
      `${name}: expected ${what} on the hub, found ${[...listed.keys()].join(", ") || "nothing"}. ` +
        "What can be loaded is a model as transformers writes it, with weights in safetensors.",
    );
  const get = async (file: RemoteFile, onBytes: (count: number, before: boolean) => void = () => {}) => {
    const from = async (offset: number) => {
      // Without Xet, the hub's protocol by chunks: plain HTTP gives any file from any offset.
      const blob = await hub().downloadFile({ ...access, path: file.path, xet: false });
      if (!blob) throw missing(file.path);
      return blob.slice(offset, file.size).stream();
    };
    await fetchBlob(blobs, file, { from, onBytes, signal });
    await place(blobs, file, snapshot);
  };
  const isHere = async (file: RemoteFile) => {
    if (await isWhole(join(snapshot, file.path), file)) return true;
    if (!(await isWhole(join(blobs, file.hash), file))) return false;
    await place(blobs, file, snapshot); // another commit has the same
    return true;
  };

  const wanted = (path: string, what = path) => {
    const file = listed.get(path);
    if (!file) throw missing(what);
    return file;
  };
  const files = [wanted("config.json"), ...TOKENIZER_FILES.flatMap((path) => listed.get(path) ?? [])];
  if (listed.has(SINGLE)) files.push(wanted(SINGLE));
  else {
    const index = wanted(INDEX, `${SINGLE} or ${INDEX}`);
    if (!(await isHere(index))) await get(index);
    const shards = [...(await shardTensors(join(snapshot, INDEX))).keys()];
    files.push(...shards.map((shard) => wanted(shard, `${shard}, which ${INDEX} names,`)));
  }

  const absent: RemoteFile[] = [];
  for (const file of files) if (!(await isHere(file))) absent.push(file);
  if (absent.length === 0) return;
  const total = absent.reduce((sum, { size }) => sum + size, 0);
  const download: Download = { model: name, total, done: 0, resumed: 0 };
  const followers = beginDownload(download);
  try {
    for (const file of absent) {
      await get(file, (count, before) => {
        download.done += count;
        if (before) download.resumed += count;
        for (const follower of followers) follower.step();
      });
    }
  } finally {
    for (const follower of followers) await follower.end();
  }
}

/** The snapshot that the cache has of a revision, if it has all that loading a model takes. */
async function cachedSnapshot(folder: string, revision: string): Promise<string | undefined> {
  const commit = COMMIT.test(revision)
    ? revision
    : await readFile(join(folder, "refs", revision), "utf8").catch(() => undefined);
  if (!commit) return undefined;
  const snapshot = join(folder, "snapshots", commit.trim());
  const has = (file: string) => existsSync(join(snapshot, file));
  if (!has("config.json")) return undefined;
  if (has(SINGLE)) return snapshot;
  return has(INDEX) && [...(await shardTensors(join(snapshot, INDEX))).keys()].every(has)
    ? snapshot
    : undefined;
}

/** The token of the environment or, as `hf auth login` leaves it, of a file; none for models that are open to all. */
async function token(): Promise<string | undefined> {
  const given = process.env.HF_TOKEN?.trim();
  if (given) return given;
  const text = await readFile(tokenFile(), "utf8").catch(() => "");
  return text.trim() || undefined;
}

function tokenFile(): string {
  const { HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_TOKEN_PATH) return HF_TOKEN_PATH;
  return join(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface"), "token");
}

const isOn = (variable: string): boolean => /^(1|on|yes|true)$/i.test(process.env[variable] ?? "");

/** fetch's own failures are TypeErrors with a cause; a stream that breaks off has lost its type on the way. */
const isUnreachable = (error: unknown): boolean => error instanceof TypeError && error.cause !== undefined;

/** What the hub's answer means and what to do. */
function refusal(
  name: string,
  revision: string,
  endpoint: string,
  status: number,
  hasToken: boolean,
  cause: Error,
): Error {
  const page = `${endpoint}/${name}`;
  const login =
    `make a token at ${endpoint}/settings/tokens and put it into the environment variable HF_TOKEN or the file ` +
    `${tokenFile()} ("hf auth login" does so)`;
  const meaning =
    status === 404
      ? `there is no model ${name} with a revision ${revision} at ${endpoint}; look at ${page}`
      : status === 401 && !hasToken
        ? `${name} is gated or private, or there is no such model. Look at ${page}; to get one that is gated, ask for access there, then ${login}`
        : status === 401
          ? `the token that was sent for ${name} is not valid, or there is no such model. Look at ${page}; to renew the token, ${login}`
          : status === 403
            ? `your token gives no access to ${name}. Ask for it at ${page}; a fine-grained token needs the permission to read gated models as well`
            : `${name} could not be fetched`;
  return new Error(`${meaning}. The hub's answer: ${status}, ${cause.message}`, { cause });
}

async function writeReference(path: string, commit: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, commit);
}
