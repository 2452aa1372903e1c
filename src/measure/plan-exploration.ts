/** A plan with its settings still open: what sliders move. */
import { linearLayers } from "../adapters/targets";
import type { PlanMethod, PlanSettings } from "./memory";
import { type Plan, type Plannable, Plans, plan } from "./plan";

const METHODS: readonly PlanMethod[] = ["full", "lora", "dora", "qlora"];

export class PlanExploration {
  /** Where the sliders begin. */
  readonly start: Plan;

  constructor(model: Plannable, settings: Partial<PlanSettings> = {}) {
    this.start = plan(model, settings);
  }

  /** The largest rank that all linear layers can have. */
  get mostRank(): number {
    return Math.min(...linearLayers(this.start.architecture).flatMap((layer) => [layer.out, layer.in]));
  }

  /**
   * The plan with these settings changed, and the same of every method, all else alike.
   * @throws as `plan` does
   */
  at(settings: Partial<PlanSettings> = {}): { plan: Plan; all: Plans } {
    const chosen = this.start.with(settings);
    return { plan: chosen, all: new Plans(METHODS.map((method) => chosen.with({ method }))) };
  }
}
