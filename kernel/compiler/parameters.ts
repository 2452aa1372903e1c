/** Parameters of the function whose body a cell becomes: transform.ts writes them, child/run.ts passes them. */
export const CELL_PARAMETERS = [
  "__scope",
  "__flag",
  "__stop",
  "__import",
  "__load",
  "__meta",
  "require",
] as const;
