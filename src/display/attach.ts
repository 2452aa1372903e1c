/**
 * Gives the library's values their looks. Everything else here is pure; importing this file is what has an effect: models
 * and runs become displayable, `run.curves` and `run.table` appear, and runs are shown while they go on.
 */
import type { DataFrame } from "danfojs-node";
import { Plan, Plans } from "../measure/plan";
import { Generation } from "../model/generate";
import { LanguageModel } from "../model/language-model";
import { Run } from "../train/run";
import { attach, DISPLAY, type Displayable } from "./bundle";
import { curves } from "./curves";
import type { Figure } from "./figure";
import { generationBundle } from "./generation";
import { showRunsLive } from "./live";
import { modelCard } from "./model-card";
import { planBundle, plansFigure } from "./plan";
import { runTable } from "./run-table";

declare module "../model/language-model" {
  interface LanguageModel extends Displayable {}
}

declare module "../model/generate" {
  interface Generation extends Displayable {}
}

declare module "../measure/plan" {
  interface Plan extends Displayable {}
  interface Plans extends Displayable {
    /** Memory by term, a bar for each plan: a Plotly figure. */
    readonly figure: Figure;
  }
}

declare module "../train/run" {
  interface Run extends Displayable {
    /** The training curve, a Plotly figure. */
    readonly curves: Figure;
    /** One row per step: step, loss, learningRate, gradientNorm, tokens, milliseconds. */
    readonly table: DataFrame;
  }
}

attach(LanguageModel.prototype, modelCard);
attach(Generation.prototype, generationBundle);
attach(Plan.prototype, planBundle);
attach(Plans.prototype, (plans) => plans.figure[DISPLAY]());
Object.defineProperty(Plans.prototype, "figure", {
  configurable: true,
  get(this: Plans) {
    return plansFigure(this);
  },
});
attach(Run.prototype, (run) => run.curves[DISPLAY]());
Object.defineProperties(Run.prototype, {
  curves: {
    configurable: true,
    get(this: Run) {
      return curves(this);
    },
  },
  table: {
    configurable: true,
    get(this: Run) {
      return runTable(this);
    },
  },
});
showRunsLive();
