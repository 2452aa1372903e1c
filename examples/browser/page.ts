/**
 * LoRA in a page: a base model continues a question, is taught to answer by the capitals of 150 countries, and answers
 * about one that it was not taught.
 */
import {
  capitals,
  curves,
  env,
  filesIn,
  loadModel,
  lora,
  observeRuns,
  type Run,
  saveAdapter,
  train,
} from "loralab";
import Plotly from "plotly.js-dist";

const get = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [prompt, steps] = [get<HTMLInputElement>("prompt"), get<HTMLInputElement>("steps")];
const say = (text: string) => {
  get("status").textContent = text;
};

/** Compiled code occupies the page's thread; after this the page has been drawn and has heard its user. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

const base = await loadModel("models/small");
let student = base.attach(lora({ rank: 8, alpha: 16 }));
let isTrained = false;
let stop = new AbortController();

// "?device=webgpu" in the address trains on the graphics card.
const device = new URLSearchParams(location.search).get("device") === "webgpu" ? "webgpu" : "cpu";

async function answer(model: typeof base, place: HTMLElement): Promise<void> {
  place.classList.remove("faint");
  place.textContent = "";
  for await (const piece of model.stream(prompt.value, { maxTokens: 24 })) {
    place.textContent += piece;
    await breathe();
  }
}

async function ask(): Promise<void> {
  await answer(base, get("base"));
  if (isTrained) await answer(student, get("tuned"));
}

async function draw(run: Run): Promise<void> {
  const { data, layout, config } = curves(run);
  const font = { ...(layout.font as object), color: getComputedStyle(document.body).color };
  await Plotly.react(get("curve"), data, { ...layout, font }, config);
}

observeRuns({
  begin: () => ({
    async step(run) {
      await draw(run);
      await breathe();
    },
    end: draw,
  }),
});

async function teach(): Promise<void> {
  say("Building the training step …");
  stop = new AbortController();
  get<HTMLButtonElement>("stop").disabled = false;
  await breathe();
  student = base.attach(lora({ rank: 8, alpha: 16 }));
  const run = await train(student, {
    data: capitals().train,
    steps: Number(steps.value),
    batchSize: 16,
    signal: stop.signal,
    engine: { device },
    onStep: ({ steps }) => say(`Step ${steps.length}: loss ${steps.at(-1)!.loss.toFixed(3)}`),
  });
  isTrained = true;
  say(
    `${run.losses.length} steps in ${run.seconds.toFixed(1)} s, loss ${run.losses[0]!.toFixed(3)} → ${run.losses.at(-1)!.toFixed(3)}`,
  );
  await ask();
}

/** Files that PEFT loads, and `loadAdapter`. */
async function save(): Promise<void> {
  await saveAdapter(student, "adapter");
  for (const [name, blob] of Object.entries(filesIn("adapter"))) {
    const link = document.createElement("a");
    [link.href, link.download] = [URL.createObjectURL(blob), name];
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

/** One thing at a time: buttons wait until it is done, and say what went wrong. */
async function busy(work: () => Promise<void>): Promise<void> {
  const buttons = [...document.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(`${error}`);
    throw error;
  } finally {
    for (const button of buttons)
      button.disabled = button.id === "stop" || (button.id === "save" && !isTrained);
  }
}

const onSubmit = (form: string, work: () => Promise<void>) =>
  get(form).addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(work);
  });
onSubmit("ask", ask);
onSubmit("train", teach);
get("stop").addEventListener("click", () => stop.abort());
get("save").addEventListener("click", () => void busy(save));
await busy(ask);
const where = device === "cpu" ? `WebAssembly, threads: ${env.wasm.numThreads}` : "WebGPU";
get("backend").textContent = `It runs on ONNX Runtime ${env.versions.web}: ${where}.`;
say("Ready.");
