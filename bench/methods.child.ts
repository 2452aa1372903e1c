/** Measures one method in a process of its own: `methods.child.ts MODEL METHOD`. */
import { resources } from "./methods";

const [model, method] = process.argv.slice(2) as [string, string];
resources(model, method)
  .then((measured) => process.send!(measured, () => process.exit(0)))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
