/**
 * What cells find in `globalThis`, and their standard streams: everything that makes output says whose it is.
 * The types that cells see are in compiler/globals.ts.
 */

import { inspect } from "node:util";
import type { MimeBundle } from "../protocol/messages";
import { withoutAsyncIds } from "./async-ids";
import { withCaptures } from "./capture";
import { Comms } from "./comms";
import { describeError } from "./errors";
import type { FromChild, TypeErrors } from "./ipc";
import { createProgress } from "./progress";
import { Interrupted, type Runner } from "./run";
import { mimeBundle } from "./values";
import { createWidgets } from "./widgets";

export interface Installed {
  /** Takes the user's answer to `prompt`. */
  answer(value: string | null): void;
  /** Hands on a message of a front end to a comm. */
  receive: Comms["receive"];
}

export function installGlobals(runner: Runner, post: (message: FromChild) => void): Installed {
  const send = withCaptures(post);
  const answers: ((answer: string | null) => void)[] = [];

  const write = (name: "stdout" | "stderr", text: string) =>
    send({ type: "stream", cell: runner.caller?.cell ?? "", name, text });
  for (const name of ["stdout", "stderr"] as const)
    process[name].write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
      write(name, typeof chunk === "string" ? withoutAsyncIds(chunk) : Buffer.from(chunk).toString("utf8"));
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") process.nextTick(done as () => void);
      return true;
    }) as typeof process.stdout.write;

  /** Sends a value's MIME bundle, in order: what is ready at once still waits for an earlier one that is not. */
  function output(value: unknown, emit: (data: MimeBundle, cell: string) => void): void {
    const run = runner.caller;
    if (!run) return;
    const bundle = mimeBundle(value);
    if (!(bundle instanceof Promise) && !run.displays) {
      emit(bundle, run.cell);
      return;
    }
    const shown = Promise.resolve(run.displays).then(async () => emit(await bundle, run.cell));
    run.displays = shown;
    const done = () => {
      if (run.displays === shown) run.displays = undefined;
    };
    shown.then(done, () => {}); // a failed one stays, and the cell fails with it when it ends
  }

  function display(value: unknown, { id }: { id?: string } = {}): void {
    const shown = runner.caller?.shown;
    const update = id !== undefined && shown?.has(id) === true;
    if (id !== undefined) shown?.add(id);
    output(value, (data, cell) => send({ type: "display", cell, data, id, update }));
  }

  function clearOutput({ wait = false }: { wait?: boolean } = {}): void {
    if (runner.caller) send({ type: "clear", cell: runner.caller.cell, wait });
  }

  function page(value: unknown): void {
    output(value, (data, cell) => send({ type: "page", cell, data }));
  }

  async function prompt(question = "", { password = false }: { password?: boolean } = {}): Promise<string> {
    const run = runner.caller;
    if (!run?.allowStdin)
      throw new Error("prompt: this front end cannot ask (it runs the notebook without a user)");
    send({ type: "prompt", cell: run.cell, question, password });
    const answer = await new Promise<string | null>((resolve) => {
      answers.push(resolve);
      // Nobody waits for the answer of an interrupted cell: the next answer is for the next question.
      run.abort.signal.addEventListener("abort", () => {
        const place = answers.indexOf(resolve);
        if (place >= 0) answers.splice(place, 1);
      });
    });
    if (answer === null) throw new Error("prompt: no answer was given");
    return answer;
  }

  function typeErrors(mode: TypeErrors): void {
    if (mode !== "error" && mode !== "warn")
      throw new TypeError(`typeErrors: expected "error" or "warn", got ${inspect(mode)}`);
    send({ type: "typeErrors", cell: runner.caller?.cell ?? "", mode });
  }

  // Code of a cell that ended can still fail, in a timer or an unawaited promise: say so there, and live on.
  const late = (error: unknown) => {
    if (error instanceof Interrupted) return; // a timer or callback of a cell, stopped as it should be
    const { traceback } = describeError(error);
    write("stderr", `Uncaught ${traceback.join("\n")}\n`);
  };
  process.on("uncaughtException", late);
  process.on("unhandledRejection", late);

  const comms = new Comms(runner, send, late);
  Object.assign(globalThis, { display, clearOutput, page, prompt, typeErrors });
  const { open, register } = comms;
  Object.assign(globalThis, { comms: { open, register }, progress: createProgress(display) });
  Object.assign(globalThis, createWidgets(comms, runner, send, display));
  return {
    answer: (value) => answers.shift()?.(value),
    receive: (request, message) => comms.receive(request, message),
  };
}
