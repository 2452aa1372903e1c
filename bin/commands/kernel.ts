/** `loralab kernel …`: makes the kernel known to Jupyter, shows where it is known, and runs it. */
import type { Command } from "commander";
import { readConnection } from "../../kernel/connection";
import {
  installedKernelspecs,
  installKernelspec,
  type Place,
  uninstallKernelspec,
} from "../../kernel/install";
import { startKernel } from "../../kernel/kernel";

interface PlaceOptions {
  name: string;
  user?: boolean;
  prefix?: string;
  sysPrefix?: boolean;
}

export function kernelCommands(program: Command): void {
  const kernel = program.command("kernel").description("the TypeScript kernel for Jupyter");
  withPlace(
    kernel.command("install").description("make Jupyter, JupyterLab and VS Code offer the kernel"),
  ).action((options: PlaceOptions) => {
    console.log(
      `installed the kernelspec ${options.name} in ${installKernelspec(options.name, place(options))}`,
    );
  });
  withPlace(kernel.command("uninstall").description("undo kernel install")).action(
    (options: PlaceOptions) => {
      console.log(`removed ${uninstallKernelspec(options.name, place(options))}`);
    },
  );
  kernel
    .command("list")
    .description("where the kernel is installed")
    .action(() => {
      const specs = installedKernelspecs();
      if (specs.length === 0) console.log("the kernel is not installed; loralab kernel install does it");
      for (const { name, folder, script, isThere } of specs)
        console.log(
          `${name.padEnd(12)} ${folder}${isThere ? "" : `  (broken: ${script} is gone; install it again)`}`,
        );
    });
  kernel
    .command("run")
    .description("run a kernel on a connection file, as Jupyter does")
    .argument("<connection-file>")
    .action(async (file: string) => {
      await (await startKernel(readConnection(file))).closed;
    });
}

function withPlace(command: Command): Command {
  return command
    .option("--name <name>", "name of the kernelspec", "loralab")
    .option("--user", "for this user (the default)")
    .option("--prefix <folder>", "under <folder>/share/jupyter/kernels")
    .option("--sys-prefix", "in the Python environment that is active");
}

function place({ user, prefix, sysPrefix }: PlaceOptions): Place {
  if ([user, prefix !== undefined, sysPrefix].filter(Boolean).length > 1)
    throw new Error("choose one of --user, --prefix and --sys-prefix");
  if (prefix !== undefined) return { kind: "prefix", prefix };
  return sysPrefix ? { kind: "sys-prefix" } : { kind: "user" };
}
