#!/usr/bin/env node
/**
 * The command line, `npx loralab …`. Each command is a file of `commands/` that registers itself; this one gives them
 * their common manners: a wrong use ends with status 2 and a suggestion, a failure with status 1 and one message (with
 * its stack when `DEBUG=loralab`).
 */
import "../kernel/node-version";
import fs from "node:fs";
import path from "node:path";
import { Command, CommanderError } from "commander";
import { deviceCommand } from "./commands/device";
import { exportCommand } from "./commands/export";
import { hubCommand } from "./commands/hub";
import { kernelCommands } from "./commands/kernel";
import { notebooksCommand } from "./commands/notebooks";
import { planCommand } from "./commands/plan";
import { setupCommands } from "./commands/setup";
import { startCommand } from "./commands/start";
import { workerCommand } from "./commands/worker";

function createProgram(): Command {
  const program = new Command("loralab")
    .description("A notebook laboratory for low-rank fine-tuning of language models.")
    .version(version(), "-V, --version", "print loralab's version")
    .helpOption("-h, --help", "print help; also after any command")
    .showHelpAfterError("(add --help for what is expected)")
    .exitOverride();
  startCommand(program);
  hubCommand(program);
  exportCommand(program);
  notebooksCommand(program);
  kernelCommands(program);
  planCommand(program);
  workerCommand(program);
  deviceCommand(program);
  setupCommands(program);
  return program;
}

/** Our package.json is one folder up from the sources and two from `dist/bin`. */
function version(): string {
  const file = ["..", "../.."]
    .map((up) => path.join(__dirname, up, "package.json"))
    .find((f) => fs.existsSync(f));
  return JSON.parse(fs.readFileSync(file!, "utf8")).version;
}

async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its message, and "fails" to say that it printed the help or the version.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    const debug = process.env.DEBUG?.split(",").includes("loralab");
    console.error(debug ? stack : `error: ${message}`);
    process.exitCode = 1;
  }
}

void main();
