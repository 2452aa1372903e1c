/** `loralab setup …`: installs optional parts on this machine, outside of any project. */
import type { Command } from "commander";
import { setupFolder, TFJS_RELEASE } from "../../src/engine/tensorflow";
import { build, type Check, checkEarlierBuild } from "../tensorflow/build";
import { findCompiler, findTensorFlowLibrary, requireKnownPlatform } from "../tensorflow/find";

interface TensorFlowOptions {
  gpu?: boolean;
  tensorflow?: string;
  force?: boolean;
}

export function setupCommands(program: Command): void {
  const setup = program
    .command("setup")
    .summary("install optional parts")
    .description("Installs optional parts.");
  setup
    .command("tensorflow")
    .summary("eager tensors on a TensorFlow that is on this machine")
    .description(
      "Makes eager tensors (those computed outside of compiled programs) run on TensorFlow's native library: fetches " +
        "the npm package tfjs-node, compiles its addon against a TensorFlow that is already on this machine, checks " +
        "it, and keeps it in loralab's data folder. Needs a C++ compiler. Training does not need any of this.",
    )
    .option("--gpu", "use the package for NVIDIA GPUs; needs a TensorFlow built with CUDA")
    .option(
      "--tensorflow <dir>",
      'TensorFlow to use: the folder "tensorflow" in site-packages, or a libtensorflow with include/ and lib/ ' +
        "(default: $TENSORFLOW_DIR, or what python3 has, or /usr/local, /usr)",
    )
    .option("--force", "build again even when an earlier build works")
    .addHelpText(
      "after",
      "\nThe data folder is $LORALAB_HOME, or the platform's folder for user data. What is built there is\n" +
        "used wherever loralab runs; LORALAB_EAGER=wasm does without it for one run, and deleting it undoes it.",
    )
    .action(setUpTensorFlow);
}

function setUpTensorFlow({ gpu = false, tensorflow: chosen, force = false }: TensorFlowOptions): void {
  requireKnownPlatform();
  const name = gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
  const tensorflow = findTensorFlowLibrary(chosen, gpu);
  say("TensorFlow", tensorflow.folder);
  const earlier = force ? undefined : checkEarlierBuild(name, tensorflow);
  if (earlier !== undefined) {
    say("found", `${setupFolder(name)}, built against it before (--force builds again)`);
    sayChecked(earlier);
    return;
  }
  const compiler = findCompiler();
  say("compiler", compiler.version);
  say("building", `${name} ${TFJS_RELEASE} …`);
  const check = build(name, tensorflow, compiler.command);
  say("installed", setupFolder(name));
  sayChecked(check);
}

function sayChecked({ version, gpu }: Check): void {
  say(
    "checked",
    `TensorFlow ${version} on the ${gpu ? "GPU" : "CPU"}: a matrix product and a gradient are right`,
  );
}

function say(what: string, value: string): void {
  console.log(`${what.padEnd(12)}${value}`);
}
