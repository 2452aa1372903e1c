/**
 * Line charts as an <img>, for where Plotly is absent. An image with its data in the address survives the clean-up of
 * GitHub and of untrusted notebooks, which an inline <svg> does not; its alternative text is the last resort. Greys and
 * mid-tones read on light and dark alike, since an image cannot know the theme.
 */
import { short } from "../measure/format";
import { escapeHtml, type Html, html } from "./html";

export interface Line {
  points: readonly { x: number; y: number }[];
  colour: string;
  /** 0 … 1, default 1 */
  opacity?: number;
  /** Draw the points themselves as well. */
  dots?: boolean;
}

const WIDTH = 640;
const HEIGHT = 240;
const MARGIN = { left: 48, right: 24, top: 10, bottom: 34 };

/** @param alt what the picture says, in words */
export function chart(lines: readonly Line[], alt: string, axes: { x: string; y: string }): Html {
  const source = svg(lines, axes);
  return image(source, WIDTH, alt);
}

/** A picture with its source in its address. @param source SVG, which may be of any characters */
export function image(source: string, width: number, alt: string): Html {
  const bytes = Array.from(new TextEncoder().encode(source), (byte) => String.fromCharCode(byte));
  return html`<img src="data:image/svg+xml;base64,${btoa(bytes.join(""))}" width="${width}" alt="${alt}">`;
}

export function svg(lines: readonly Line[], axes: { x: string; y: string }): string {
  const drawn = lines.map((line) => ({
    ...line,
    points: line.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)),
  }));
  const points = drawn.flatMap((line) => line.points);
  const xs = ticks(points.map(({ x }) => x));
  const ys = ticks(points.map(({ y }) => y));
  const scale = (domain: number[], from: number, to: number) => {
    const [low, high] = [domain[0], domain.at(-1)!];
    return (value: number) => (from + ((value - low) / (high - low)) * (to - from)).toFixed(1);
  };
  const px = scale(xs, MARGIN.left, WIDTH - MARGIN.right);
  const py = scale(ys, HEIGHT - MARGIN.bottom, MARGIN.top);
  const grid = ys.map(
    (y) =>
      `<path d="M${MARGIN.left} ${py(y)}H${WIDTH - MARGIN.right}" stroke="#808080" stroke-opacity="0.25"/>` +
      `<text x="${MARGIN.left - 6}" y="${py(y)}" dy="4" text-anchor="end">${short(y)}</text>`,
  );
  const below = xs.map(
    (x) => `<text x="${px(x)}" y="${HEIGHT - 18}" text-anchor="middle">${short(x)}</text>`,
  );
  const curves = drawn.map(({ points, colour, opacity = 1, dots }) => {
    const path = points.map(({ x, y }) => `${px(x)} ${py(y)}`).join("L");
    // A line needs two points to be seen.
    const marks =
      dots || points.length === 1
        ? points.map(({ x, y }) => `<circle cx="${px(x)}" cy="${py(y)}" r="3" fill="${colour}"/>`)
        : [];
    return `<g opacity="${opacity}"><path d="M${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>${marks.join("")}</g>`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
    `font-family="sans-serif" font-size="11" fill="#808080">${grid.join("")}${below.join("")}` +
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 4}" text-anchor="middle">${escapeHtml(axes.x)}</text>` +
    `<text transform="translate(11 ${(MARGIN.top + HEIGHT - MARGIN.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(axes.y)}</text>` +
    `${curves.join("")}</svg>`
  );
}

/** Four to nine round numbers whose range holds all values. */
export function ticks(values: readonly number[]): number[] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) [low, high] = [0, 1];
  // Values that differ by rounding only, or not at all, get a range of their own size.
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= 1e-9 * size || size < 1e-30) high = low + (size < 1e-30 ? 1 : size);
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
