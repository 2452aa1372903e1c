/** All cores as a page has them: while its own thread waits, nothing else can tell it that work is done. */
export const mapOnCores = <I, O>(work: (input: I) => O, _module: () => string, inputs: readonly I[]): O[] =>
  inputs.map((input) => work(input));
