/** Tells the hub when something was done here last, by which it ends servers that nobody uses, and spares those in use. */
import type { HubService } from "./service";

const INTERVAL_MS = Number(process.env.JUPYTERHUB_ACTIVITY_INTERVAL || 300) * 1000;

/** Reports now and then, where there is something new. @returns what ends it */
export function reportActivity(hub: HubService, lastActivity: () => Date): () => void {
  let reported = "";
  const report = async () => {
    const last_activity = lastActivity().toISOString();
    if (last_activity === reported) return;
    try {
      const response = await fetch(hub.activityUrl, {
        method: "POST",
        headers: { Authorization: `token ${hub.token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ servers: { [hub.server]: { last_activity } }, last_activity }),
        signal: AbortSignal.timeout(INTERVAL_MS),
      });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      reported = last_activity;
    } catch (error) {
      console.error(`the hub did not hear of this server's activity: ${(error as Error).message}`);
    }
  };
  void report();
  const timer = setInterval(() => void report(), INTERVAL_MS).unref();
  return () => clearInterval(timer);
}
