/**
 * Ready-made tasks: what to learn, and how to tell whether it was learnt. Those that read files of other packages (`code.ts`,
 * `sentiment.ts`) are not among them, since a page has no such files.
 */
export { accuracy, isCorrect, type Marked, type Question } from "./accuracy";
export { type AdditionTask, addition, type Sum } from "./addition";
export { capitals, inventedCapitals, type Task } from "./capitals";
export { type DigitQuestion, type LargestDigit, largestDigit, rewardDigit } from "./largest-digit";
export { type Modalities, type Modality, modalities } from "./modalities";
export { type AnswerPair, answerForm, type ShortAnswers, shortAnswers } from "./short-answers";
