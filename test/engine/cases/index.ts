/** Every operator of the compiled subset, with how to draw inputs for it. */
import type { Case } from "../check";
import { compositeCases } from "./composite";
import { elementwiseCases } from "./elementwise";
import { fusedCases } from "./fused";
import { gatherCases } from "./gather";
import { reduceCases } from "./reduce";
import { shapeCases } from "./shape";
import { transformerCases } from "./transformer";

export const cases: Case[] = [
  ...elementwiseCases,
  ...reduceCases,
  ...shapeCases,
  ...gatherCases,
  ...fusedCases,
  ...compositeCases,
  ...transformerCases,
];
