/** The kernel's process: `node main.js CONNECTION_FILE`, as Jupyter starts it. */
import "./node-version";
import { readConnection } from "./connection";
import { startKernel } from "./kernel";

const PARENT_CHECK_MS = 1000;

async function main(file: string | undefined): Promise<void> {
  if (!file)
    throw new Error("expected the path of a connection file; Jupyter gives one when it starts a kernel");
  const kernel = await startKernel(readConnection(file));
  // A fault in the kernel costs one answer; its end would cost the user all variables.
  process.on("uncaughtException", (error) => console.error("loralab kernel: internal error:", error));
  process.on("unhandledRejection", (error) => console.error("loralab kernel: internal error:", error));
  process.on("SIGINT", () => kernel.interrupt());
  process.on("SIGTERM", () => void kernel.close());
  exitWithParent(() => void kernel.close());
  await kernel.closed;
  process.exit(0);
}

/** Ends the kernel when the process that started it is gone, however it went. */
function exitWithParent(close: () => void): void {
  const parent = Number(process.env.JPY_PARENT_PID);
  if (!parent) return;
  const check = setInterval(() => {
    if (isAlive(parent)) return;
    clearInterval(check);
    close();
  }, PARENT_CHECK_MS);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it is there, and another user's
  }
}

main(process.argv[2]).catch((error: Error) => {
  console.error(`loralab kernel: ${error.message}`);
  process.exit(1);
});
