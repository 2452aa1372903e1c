/** The sweep that is killed, and the same in peace. */
export const KILLED = {
  data: [
    { prompt: "one and one?", completion: " two" },
    { prompt: "sky?", completion: " blue" },
  ],
  ...{ steps: 40, batchSize: 2, seeds: 4, grid: { rank: [1, 2] } },
};
