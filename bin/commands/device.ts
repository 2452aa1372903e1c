/** `loralab device`: which engine runs what on this computer, and why not another. */
import type { Command } from "commander";

export function deviceCommand(program: Command): void {
  program
    .command("device")
    .description("tell which engine runs compiled and eager code here, and why not another")
    .option("--json", "as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { device } = await import("../../src/engine/index.js");
      const report = await device();
      if (json) return console.log(JSON.stringify(report, null, 2));
      console.log(`compiled code  ${report.compiled.description}`);
      for (const { device, why } of report.others) console.log(`  not ${device}: ${why}`);
      console.log(`eager code     ${report.eager.description}`);
      for (const { name, why } of report.eager.reasons) console.log(`  not ${name}: ${why}`);
    });
}
