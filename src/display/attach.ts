/**
 * Gives the library's values their looks. Everything else here is pure; importing this file is what has an effect: models
 * and runs become displayable, `run.curves` and `run.table` appear, and runs and downloads are shown while they go on.
 */
import { WeightErrors } from "../adapters/weight-errors";
import { Exploration } from "../measure/exploration";
import { IntruderReport } from "../measure/intruders";
import type { PlanSettings } from "../measure/memory";
import { MemoryMeasurement } from "../measure/memory-measurement";
import { OutputErrors } from "../measure/output-errors";
import { Plan, Plans } from "../measure/plan";
import { PlanExploration } from "../measure/plan-exploration";
import { Spectra } from "../measure/spectra";
import { Generation } from "../model/generate";
import { LanguageModel } from "../model/language-model";
import { Sweep } from "../runs/sweep-result";
import { Run } from "../train/run";
import { attach, DISPLAY, type Displayable } from "./bundle";
import { curves } from "./curves";
import type { DataFrame } from "./data-frame";
import { showDownloads } from "./downloads";
import { explorationBundle } from "./explore";
import { explorationFigure } from "./explore-figures";
import type { Figure } from "./figure";
import { forgettingCurves } from "./forgetting-curves";
import { generationBundle } from "./generation";
import { intruderBundle, intruderFigure, intruderMap } from "./intruders";
import { showRunsLive, showSweepsLive } from "./live";
import { measurementBundle, measurementFigure } from "./memory-measurement";
import { modelCard } from "./model-card";
import { outputErrorCurves, outputErrorTable } from "./output-errors";
import { planBundle, plansFigure } from "./plan";
import { planExplorationBundle, planExplorationFigure } from "./plan-exploration";
import { runTable } from "./run-table";
import { changeMap, energyCurves } from "./spectra";
import { parallelCoordinates, sweepBundle, sweepFigure, sweepTable } from "./sweep";
import { weightErrorsBundle } from "./weight-errors";

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

declare module "../measure/memory-measurement" {
  interface MemoryMeasurement extends Displayable {
    /** Measured and planned memory, a bar each. */
    readonly figure: Figure;
  }
}

declare module "../measure/exploration" {
  interface Exploration<V> extends Displayable {
    /**
     * The curve over all positions with one marked, by default where the sliders begin.
     * @throws for a position that was not measured, with `at`, before
     */
    figure(value?: V): Figure;
  }
}

declare module "../measure/plan-exploration" {
  interface PlanExploration extends Displayable {
    /** Memory of each method by term, with the memory of common computers. */
    figure(settings?: Partial<PlanSettings>): Figure;
  }
}

declare module "../measure/spectra" {
  interface Spectra extends Displayable {
    /** ‖ΔW‖/‖W‖ by layer and module, a heat map. */
    readonly figure: Figure;
    /** How much of ‖ΔW‖² the k strongest directions hold. */
    readonly energyCurves: Figure;
  }
}

declare module "../measure/intruders" {
  interface IntruderReport extends Displayable {
    /** Intruders against ε, with both comparisons. */
    readonly figure: Figure;
    /** How many intruders each matrix has, by layer and module. */
    readonly map: Figure;
  }
}

declare module "../adapters/weight-errors" {
  interface WeightErrors extends Displayable {}
}

declare module "../measure/output-errors" {
  interface OutputErrors extends Displayable {
    /** Errors of hidden states and weights by layer, a Plotly figure. */
    readonly figure: Figure;
    /** One row per layer: layer, weights, hidden (both relative). */
    readonly table: DataFrame;
  }
}

declare module "../train/run" {
  interface Run extends Displayable {
    /** The training curve, a Plotly figure. */
    readonly curves: Figure;
    /** One row per step: step, loss, learningRate, gradientNorm, tokens, milliseconds. */
    readonly table: DataFrame;
    /** What was learned and forgotten against the step, where `forgetting()` was evaluated. */
    readonly forgetting: Figure;
  }
}

declare module "../runs/sweep-result" {
  interface Sweep extends Displayable {
    /** One row per cell: method, axes, finished and failed trials, means, and half the widths of 95 % intervals. */
    readonly table: DataFrame;
    /** The means of one measure over two axes, a heat map; over one axis, dots with intervals. See `sweepFigure`. */
    map(measure?: string, axes?: { x?: string; y?: string }): Figure;
    /** All axes and measures at once, in parallel coordinates. */
    readonly parallel: Figure;
  }
}

attach(LanguageModel.prototype, modelCard);
attach(Generation.prototype, generationBundle);
attach(Plan.prototype, planBundle);
attach(Plans.prototype, (plans) => plans.figure[DISPLAY]());
property(Plans.prototype, "figure", plansFigure);
attach(MemoryMeasurement.prototype, measurementBundle);
property(MemoryMeasurement.prototype, "figure", measurementFigure);
attach(Exploration.prototype, explorationBundle);
Exploration.prototype.figure = function (value) {
  return explorationFigure(this, value);
};
attach(PlanExploration.prototype, planExplorationBundle);
PlanExploration.prototype.figure = function (settings) {
  return planExplorationFigure(this, settings);
};
attach(Spectra.prototype, (spectra) => spectra.figure[DISPLAY]());
property(Spectra.prototype, "figure", changeMap);
property(Spectra.prototype, "energyCurves", energyCurves);
attach(IntruderReport.prototype, intruderBundle);
property(IntruderReport.prototype, "figure", intruderFigure);
property(IntruderReport.prototype, "map", intruderMap);
attach(WeightErrors.prototype, weightErrorsBundle);
attach(OutputErrors.prototype, (errors) => errors.figure[DISPLAY]());
property(OutputErrors.prototype, "figure", outputErrorCurves);
property(OutputErrors.prototype, "table", outputErrorTable);
attach(Run.prototype, (run) => run.curves[DISPLAY]());
property(Run.prototype, "curves", (run) => curves(run));
property(Run.prototype, "table", runTable);
property(Run.prototype, "forgetting", (run) => forgettingCurves(run));
attach(Sweep.prototype, sweepBundle);
property(Sweep.prototype, "table", sweepTable);
property(Sweep.prototype, "parallel", parallelCoordinates);
Sweep.prototype.map = function (this: Sweep, measure, axes) {
  return sweepFigure(this, measure, axes);
};
showRunsLive();
showSweepsLive();
showDownloads();

/** Gives objects of a class a property that is made when it is asked for. */
function property<T extends object>(prototype: T, name: keyof T & string, make: (value: T) => unknown): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    get(this: T) {
      return make(this);
    },
  });
}
