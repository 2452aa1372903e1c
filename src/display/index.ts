/** Values as people look at them: cards, tables, figures, live curves. Importing this makes models and runs displayable. */
import "./attach";

export { alignmentMap } from "./alignment";
export { DISPLAY, type Displayable, type MimeBundle } from "./bundle";
export { compare } from "./compare";
export { curves, type Runs } from "./curves";
export { COLOURS, Figure, type Trace } from "./figure";
export type { ForgettingOptions, PlanePoint } from "./forgetting";
export { forgettingCurves } from "./forgetting-curves";
export { forgettingPlane } from "./forgetting-plane";
export { intruderCurve, similarityMap } from "./intruders";
export { matrixMap } from "./matrices";
export { type MethodStyle, methodStyle } from "./method-style";
export { outputErrorCurves } from "./output-errors";
export { type Countable, type ModuleRow, ParameterTable, parameterTable } from "./parameter-table";
export { rankMap } from "./rank-map";
export { runs } from "./runs-table";
export { weightChangeMap } from "./weight-changes";
