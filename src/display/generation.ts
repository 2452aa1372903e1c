/** A prompt with the model's continuation. */

import { counted } from "../measure/format";
import type { Generation } from "../model/generate";
import { bundle, type MimeBundle } from "./bundle";
import { card, html } from "./html";

const ENDINGS: Record<Generation["finish"], string> = {
  stop: "ended by the model",
  length: "cut off at the limit of tokens",
  aborted: "stopped by you",
};

export function generationBundle({ prompt, text, ids, finish }: Generation): MimeBundle {
  const how = `${counted(ids.length, "token")}, ${ENDINGS[finish]}`;
  return bundle(
    `${prompt} ▸ ${text.trim()}\n(${how})`,
    card(
      html`<p class="text"><span class="faint">${prompt}</span><b>${text}</b></p>`,
      html`<p class="faint"><small>${how}</small></p>`,
    ),
  );
}
