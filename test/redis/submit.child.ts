/** A process of its own that submits a sweep, and waits until it is killed. @param argv a model's folder and the options as JSON */
import { lora } from "../../src/adapters";
import { loadModel } from "../../src/model";
import { sweep } from "../../src/runs";

const [folder, settings] = process.argv.slice(2);
void loadModel(folder!).then((base) => sweep(base, { ...JSON.parse(settings!), method: lora({ rank: 1 }) }));
