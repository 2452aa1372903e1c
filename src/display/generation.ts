/** A prompt with the model's continuation. */
import type { Generation } from "../model/generate";
import { bundle, DISPLAY, type Displayable, type MimeBundle } from "./bundle";
import { counted } from "./format";
import { card, html } from "./html";

const ENDINGS: Record<Generation["finish"], string> = {
  stop: "ended by the model",
  length: "cut off: no room for more",
  aborted: "stopped by you",
};

export function generationBundle(prompt: string, { text, ids, finish }: Generation): MimeBundle {
  const how = `${counted(ids.length, "token")}, ${ENDINGS[finish]}`;
  return bundle(
    `${prompt} ▸ ${text.trim()}\n(${how})`,
    card(
      html`<p class="text"><span class="faint">${prompt}</span><b>${text}</b></p>`,
      html`<p class="faint"><small>${how}</small></p>`,
    ),
  );
}

/** What `generate` answered to a prompt, as a value to look at. */
export function continuation(prompt: string, generation: Generation): Displayable {
  return { [DISPLAY]: () => generationBundle(prompt, generation) };
}
