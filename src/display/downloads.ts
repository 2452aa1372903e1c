/**
 * Downloads shown while they go on: in a notebook as a bar that is replaced in place, in a terminal as a line that rewrites
 * itself, elsewhere not at all.
 */
import { bytes, duration } from "../measure/format";
import { type Download, type DownloadObserver, observeDownloads } from "../model/downloads";
import { bundle, DISPLAY, type Displayable } from "./bundle";
import { html } from "./html";
import { followHere, inLine, paced, type Show, type Terminal } from "./live";

/** Follows every download from here on. Returns how to stop that. */
export const showDownloads = (): (() => void) =>
  observeDownloads({
    begin: (download) =>
      followHere(
        (show) => followBar(download, show),
        (terminal) => followLine(download, terminal),
      ),
  });

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

export const followLine = (download: Download, terminal: Terminal, now: Clock = clock): Following =>
  inLine(wording(download, now), terminal, now);

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
