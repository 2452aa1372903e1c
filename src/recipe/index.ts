/** A run as a project for TRL and PEFT, and back. */
export { exportRecipe, type RecipeOptions } from "./export";
export type { RecipeMaterial } from "./gather";
export { importRun } from "./import";
