/** Ready-made tasks: what to learn, and how to tell whether it was learnt. */
export { accuracy, isCorrect, type Marked, type Question } from "./accuracy";
export { type AdditionTask, addition, type Sum } from "./addition";
export { capitals, inventedCapitals, type Task } from "./capitals";
export { type CodeDomain, type CodeFile, codeDomain } from "./code";
export { type DigitQuestion, type LargestDigit, largestDigit, rewardDigit } from "./largest-digit";
export { type Modalities, type Modality, modalities } from "./modalities";
export { type Review, type SentimentTask, sentiment } from "./sentiment";
export { type AnswerPair, answerForm, type ShortAnswers, shortAnswers } from "./short-answers";
