/** The server's own endpoints, `lab/server/api-types.ts`, as functions. */
import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import type {
  Machine,
  OpenedTutorial,
  ResetTutorial,
  RunningOutputs,
  Tutorial,
} from "../../server/api-types";

const settings = ServerConnection.makeSettings();

/** @throws ResponseError with the server's own message when the status is not 2xx, NetworkError when it is away */
async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const url = URLExt.join(settings.baseUrl, "lab/api", path);
  const response = await ServerConnection.makeRequest(url, init, settings);
  if (!response.ok) throw await ServerConnection.ResponseError.create(response);
  return response.json();
}

const post = { method: "POST", body: "{}" };

export const getTutorials = () => request<Tutorial[]>("tutorials");
export const openTutorial = (name: string) =>
  request<OpenedTutorial>(`tutorials/${encodeURIComponent(name)}/open`, post);
export const resetTutorial = (name: string) =>
  request<ResetTutorial>(`tutorials/${encodeURIComponent(name)}/reset`, post);
export const getMachine = () => request<Machine>("machine");
export const getOutputs = (path: string) =>
  request<RunningOutputs>(`outputs?path=${encodeURIComponent(path)}`);
