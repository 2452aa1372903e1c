/** Ready-made tasks: what to learn, and how to tell whether it was learnt. */
export { accuracy, type Marked } from "./accuracy";
export { capitals, inventedCapitals, isCorrect, type Task } from "./capitals";
export { type DigitQuestion, type LargestDigit, largestDigit, rewardDigit } from "./largest-digit";
export { type AnswerPair, answerForm, type ShortAnswers, shortAnswers } from "./short-answers";
