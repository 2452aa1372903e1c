/** `loralab hub`: the lab as the server of one user of a JupyterHub, which starts it and says who may come in. */
import fs from "node:fs";
import type { Command } from "commander";
import { startServer } from "../../lab/server";
import { hubService } from "../../lab/server/hub/service";
import { labOptions, minutes, stopOnSignals } from "../serving";

export function hubCommand(program: Command): void {
  program
    .command("hub")
    .summary("the lab as a user's server in a JupyterHub, which starts it")
    .description(
      "The lab as the server of one user of a JupyterHub, behind the hub's proxy. The hub starts it, with\n" +
        '  c.Spawner.cmd = ["loralab", "hub"]\n' +
        "in its configuration, and says in the environment where to listen and whom to ask who may come in. It serves\n" +
        "c.Spawner.notebook_dir, or the folder that it is started in, and shows c.Spawner.default_url first.",
    )
    .option(
      "--cull-idle <minutes>",
      "end kernels that nobody has open and that were idle for so long",
      minutes,
      0,
    )
    .action(async ({ cullIdle }: { cullIdle: number }) => {
      const hub = hubService();
      const { ip, port, base, defaultUrl } = hub;
      const options = await labOptions(fs.realpathSync(hub.root ?? "."), cullIdle);
      const server = await startServer({ ...options, base, defaultUrl, ip, port, tries: 0, access: { hub } });
      console.error(`Serving ${options.root} for ${hub.user} at ${server.url}`);
      const stop = stopOnSignals(server);
      process.on("SIGINT", stop);
    });
}
