/** What a tutorial is made of: guesses before a run, stated expectations, and a paper's finding beside the reader's. */
export { check } from "./check";
export { type Means, means, type Repeated } from "./means";
export { type PaperBox, paperBox, type Verdict } from "./paper-box";
export { type Choices, type NumberRange, type Prediction, predict } from "./predict";
