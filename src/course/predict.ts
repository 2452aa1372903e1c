/**
 * Predict, then run: the reader says what they expect before a cell shows it, and sees the two side by side.
 *
 * In a notebook the question has a control below it; whatever is chosen there last is the guess. Elsewhere, and in a run
 * without a reader, there is no guess, and the outcome is told all the same.
 */
import { bundle, DISPLAY, type Displayable, type MimeBundle } from "../display/bundle";
import { card, html, table } from "../display/html";
import { columns, short, times } from "../measure/format";

/** Some answers of which one is the outcome. */
export interface Choices<C extends string> {
  choices: readonly C[];
}

/** Any number from `min` to `max`, on a logarithmic scale where they are far apart. */
export interface NumberRange {
  /** What is counted, such as "steps" or "%". */
  unit: string;
  min: number;
  max: number;
}

/** A control of the kernel's, as far as it matters here. */
interface Control extends Displayable {
  value: unknown;
  onChange(callback: (value: any) => unknown): unknown;
}

/** What the kernel offers to cells; nothing of it elsewhere. */
interface Globals {
  display?: (value: Displayable) => unknown;
  widgets?: Record<string, new (options: object) => Control>;
}

/** The scale is logarithmic from this ratio of the ends on. */
const WIDE = 50;
/** Positions of a slider, and characters of the longest bar. */
const SLIDER_STEPS = 100;
const BAR = 30;
/** Within a tenth of the range, or of the outcome on a logarithmic scale, a guess counts as close. */
const CLOSE = 0.1;

export abstract class Prediction<T extends string | number> implements Displayable {
  /** The reader's guess; undefined while there is none. A program may set it as well. */
  guess: T | undefined;

  constructor(readonly question: string) {}

  /**
   * The guess beside the outcome.
   * @param measured what the run gave
   * @param why a sentence on the reason
   * @throws when the outcome is none of the choices, or no number
   */
  abstract reveal(measured: T, why?: string): Displayable;

  /** A value with its unit. */
  protected abstract words(value: T): string;

  [DISPLAY](): MimeBundle {
    const guess = this.guess === undefined ? "no guess yet" : `your guess: ${this.words(this.guess)}`;
    return bundle(`${this.question} (${guess})`, card(html`<p>${this.question} (${guess})</p>`));
  }
}

class Choice<C extends string> extends Prediction<C> {
  constructor(
    question: string,
    private readonly choices: readonly C[],
  ) {
    super(question);
  }

  reveal(measured: C, why?: string): Displayable {
    if (!this.choices.includes(measured))
      throw new Error(
        `reveal: expected one of the choices ${this.choices.map((c) => `"${c}"`).join(", ")}, got "${measured}".`,
      );
    const { guess } = this;
    const outcome = `The run says: ${measured}.`;
    if (guess === undefined) return told([`No guess was made. ${outcome}`, why]);
    const verdict = guess === measured ? "As you guessed." : "The run saw it otherwise.";
    return told([`You guessed: ${guess}. ${outcome} ${verdict}`, why]);
  }

  protected words(value: C): string {
    return value;
  }
}

class Amount extends Prediction<number> {
  constructor(
    question: string,
    private readonly range: NumberRange,
  ) {
    super(question);
  }

  reveal(measured: number, why?: string): Displayable {
    if (typeof measured !== "number" || !Number.isFinite(measured))
      throw new Error(`reveal: expected a number of ${this.range.unit}, got ${measured}.`);
    const { guess } = this;
    const outcome = `The run says: ${this.words(measured)}.`;
    if (guess === undefined) return told([`No guess was made. ${outcome}`, why]);
    const sentence = `You guessed: ${this.words(guess)}. ${outcome} ${this.comparison(guess, measured)}`;
    return told([sentence, why], this.bars({ "your guess": guess, "the run": measured }));
  }

  protected words(value: number): string {
    return `${short(value)} ${this.range.unit}`;
  }

  private comparison(guess: number, measured: number): string {
    const { min, max } = this.range;
    const ratio = guess > measured ? guess / measured : measured / guess;
    const isClose = isWide(this.range)
      ? ratio <= 1 + CLOSE
      : Math.abs(guess - measured) <= CLOSE * (max - min);
    if (isClose) return "Close!";
    if (isWide(this.range) && measured > 0)
      return `A factor of ${times(ratio).replace("×", "")} between them.`;
    return `${short(Math.abs(guess - measured))} ${this.range.unit} between them.`;
  }

  /** Rows with a bar each, from the range's lower end, or from 0. */
  private bars(values: Record<string, number>): string[][] {
    const { min, max } = this.range;
    const scale = isWide(this.range) ? Math.log : (x: number) => x;
    const from = isWide(this.range) ? scale(min) : Math.min(0, min);
    const to = Math.max(...[max, ...Object.values(values)].map(scale));
    return Object.entries(values).map(([name, value]) => {
      const part = Math.max(0, (scale(value) - from) / (to - from));
      return [
        name,
        "█".repeat(Math.max(1, Math.round(BAR * (Number.isFinite(part) ? part : 0)))),
        this.words(value),
      ];
    });
  }
}

const isWide = ({ min, max }: NumberRange) => min > 0 && max / min >= WIDE;

function told(lines: (string | undefined)[], bars: string[][] = []): Displayable {
  const [sentence, why] = lines;
  const text = [sentence, why, bars.length ? columns(bars, "lll") : undefined].filter(Boolean).join("\n");
  const figure = bars.length
    ? table(
        [{ head: "whose" }, { head: "how much" }, { head: "number" }],
        bars.map((cells) => ({ cells })),
      )
    : undefined;
  const shown = card(
    html`<p><b>${sentence}</b></p>`,
    why === undefined ? undefined : html`<p>${why}</p>`,
    figure,
  );
  return { [DISPLAY]: () => bundle(text, shown) };
}

/**
 * Asks the reader for a guess, with a control below the question.
 *
 * @example
 * const guess = predict("How many steps does it take?", { unit: "steps", min: 10, max: 1000 });
 * // in a later cell, after the run:
 * guess.reveal(stepsTaken)
 *
 * @param answers `{ choices }`, or `{ unit, min, max }` for a number
 * @throws for fewer than two choices, and for a range that is none
 */
export function predict<const C extends string>(question: string, answers: Choices<C>): Prediction<C>;
export function predict(question: string, answers: NumberRange): Prediction<number>;
export function predict(question: string, answers: Choices<string> | NumberRange): Prediction<any> {
  return "choices" in answers ? predictChoice(question, answers) : predictNumber(question, answers);
}

function predictChoice(question: string, { choices }: Choices<string>): Prediction<string> {
  if (!Array.isArray(choices) || new Set(choices).size < 2)
    throw new Error(`predict: expected at least two different choices, got ${JSON.stringify(choices)}.`);
  const prediction = new Choice(question, choices);
  ask(prediction, choices.join(" · "), "Dropdown", { options: choices, value: null });
  return prediction;
}

function predictNumber(question: string, range: NumberRange): Prediction<number> {
  const { unit, min, max } = range;
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max))
    throw new Error(`predict: expected numbers min < max, got ${min} and ${max}.`);
  const prediction = new Amount(question, range);
  const words = `from ${short(min)} to ${short(max)} ${unit}`;
  if (isWide(range)) {
    const [from, to] = [Math.log10(min), Math.log10(max)];
    const step = (to - from) / SLIDER_STEPS;
    ask(prediction, words, "FloatLogSlider", { min: from, max: to, step, value: min });
  } else {
    const isWhole = Number.isInteger(min) && Number.isInteger(max) && max - min >= SLIDER_STEPS / 5;
    const step = isWhole ? Math.max(1, Math.round((max - min) / SLIDER_STEPS)) : (max - min) / SLIDER_STEPS;
    ask(prediction, words, "FloatSlider", { min, max, step, value: min, readoutFormat: ".3~g" });
  }
  return prediction;
}

/** Shows the question and its control, where there is somebody to show them to. */
function ask(prediction: Prediction<any>, answers: string, control: string, options: object): void {
  const { display, widgets } = globalThis as Globals;
  if (typeof display !== "function") return;
  const question = `Your guess, before you run on: ${prediction.question}`;
  display({
    [DISPLAY]: () =>
      bundle(
        `${question} (${answers})`,
        card(
          html`<p><b>Your guess, before you run on.</b> ${prediction.question} <span class="faint">(${answers})</span></p>`,
        ),
      ),
  });
  if (typeof widgets?.[control] !== "function") return;
  const widget = new widgets[control](options);
  widget.onChange((value) => {
    prediction.guess = value ?? undefined;
  });
  // Where there are no widgets, as on GitHub, the question alone says enough.
  display({ [DISPLAY]: () => ({ ...widget[DISPLAY](), "text/plain": "" }) });
}
