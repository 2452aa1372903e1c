/**
 * Downloads shown while they go on: in a notebook as a bar that is replaced in place, in a terminal as a line that rewrites
 * itself, elsewhere not at all.
 */
import { bytes, duration } from "../measure/format";
import { type Download, type DownloadObserver, observeDownloads } from "../model/downloads";
import { bundle, DISPLAY, type Displayable } from "./bundle";
import { html } from "./html";
import { paced, type Show, type Terminal } from "./live";

/** Follows every download from here on. Returns how to stop that. */
export function showDownloads(): () => void {
  return observeDownloads({
    begin(download) {
      const { display } = globalThis as { display?: unknown };
      if (typeof display === "function") return followBar(download, display as Show);
      const terminal = globalThis.process?.stderr;
      if (terminal?.isTTY) return followLine(download, terminal);
      return { step() {}, end() {} };
    },
  });
}

type Following = ReturnType<DownloadObserver["begin"]>;
type Clock = () => number;
const clock: Clock = () => performance.now();

export function followBar(download: Download, show: Show, now: Clock = clock): Following {
  const id = `download-${crypto.randomUUID()}`;
  const words = wording(download, now);
  const update = () => void show(bar(download, words()), { id });
  const step = paced(update, now);
  step();
  return { step, end: update };
}

export function followLine(download: Download, terminal: Terminal, now: Clock = clock): Following {
  const words = wording(download, now);
  const write = () => terminal.write(`\r\x1b[2K${words().slice(0, (terminal.columns ?? 80) - 1)}`);
  const step = paced(write, now);
  step();
  return {
    step,
    end() {
      write();
      terminal.write("\n");
    },
  };
}

const bar = ({ done, total }: Download, words: string): Displayable => ({
  [DISPLAY]: () =>
    bundle(words, html`<div>${words}<br><progress value="${done}" max="${total}"></progress></div>`),
});

/** How far it is, how fast, and how long it will take; in the end how long it took. */
function wording(download: Download, now: Clock): () => string {
  const started = now();
  return () => {
    const { model, total, done, resumed } = download;
    const seconds = (now() - started) / 1000;
    const rate = (done - resumed) / seconds;
    const far =
      done === total ? `${bytes(total)} in ${duration(seconds)}` : `${bytes(done)} of ${bytes(total)}`;
    const rest =
      done < total && rate > 0 ? [`${bytes(rate)}/s`, `${duration((total - done) / rate)} left`] : [];
    return [`${model}: ${far}`, ...rest].join(" · ");
  };
}
