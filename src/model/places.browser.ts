/** Where models are for a page: at an address, as a folder that is served; or in files that were put into it. */
import { INDEX, SINGLE, shardTensors } from "./checkpoint";
import { existsSync, join, putFiles } from "./disk.browser";
import { beginDownload, type Download } from "./downloads";
import type { Place } from "./places";
import { TOKENIZER_FILES } from "./tokenizer";

/** @throws when nothing is served at the address, and for files that a model needs and that are not there */
export async function locate(nameOrAddress: string, revision?: string): Promise<Place> {
  if (revision !== undefined) throw new Error("loadModel: an address has no revisions.");
  const folder = nameOrAddress.replace(/\/+$/, "");
  if (!existsSync(join(folder, "config.json"))) await fetchFolder(folder);
  return { folder, name: folder.slice(folder.lastIndexOf("/") + 1) };
}

async function fetchFolder(folder: string): Promise<void> {
  const get = async (file: string, isOptional = false): Promise<void> => {
    const address = join(folder, file);
    const response = await fetch(address);
    // A server that answers 204 spares its pages a line in the console for each file that a model has not got.
    if (isOptional && (response.status === 404 || response.status === 204)) return;
    if (!response.ok) {
      throw new Error(
        `loadModel: ${address} could not be fetched (${response.status} ${response.statusText}): expected the address ` +
          "of a folder with config.json, tokenizer.json and model.safetensors.",
      );
    }
    putFiles(folder, { [file]: await watched(response, folder) });
  };
  await get("config.json");
  await Promise.all(TOKENIZER_FILES.map((file) => get(file, true)));
  await get(INDEX, true);
  const index = join(folder, INDEX);
  for (const shard of existsSync(index) ? (await shardTensors(index)).keys() : [SINGLE]) await get(shard);
}

/** The body of a response, with those told that follow downloads. */
async function watched(response: Response, model: string): Promise<Blob> {
  const total = Number(response.headers.get("content-length") ?? 0);
  const download: Download = { model, total, resumed: 0, done: 0 };
  const followers = beginDownload(download);
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, onwards) {
      download.done += piece.length;
      for (const follower of followers) follower.step();
      onwards.enqueue(piece);
    },
  });
  const blob = await new Response(response.body?.pipeThrough(count)).blob();
  for (const follower of followers) await follower.end();
  return blob;
}

/** In a page nothing is found by its name alone. */
export function resolveModelFolder(folder: string): string {
  if (existsSync(join(folder, "config.json"))) return folder;
  throw new Error(`no model ${JSON.stringify(folder)} in this page: loadModel fetches one from an address.`);
}

export function packageRoot(): string {
  throw new Error(
    "A page has not got the files that come with loralab: give what is read from them as arguments.",
  );
}
