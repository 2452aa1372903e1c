/** Every operator of the compiled subset, with how to draw inputs for it. */
import type { Case } from "../check";
import { elementwiseCases } from "./elementwise";
import { gatherCases } from "./gather";
import { reduceCases } from "./reduce";
import { shapeCases } from "./shape";

export const cases: Case[] = [...elementwiseCases, ...reduceCases, ...shapeCases, ...gatherCases];
