// What can be trained with --network. A network is a file per library in libraries/<folder>/, a problem and a Python script.
import { loadGptProblem } from "./gpt-problem.mjs";
import { loadLstmProblem } from "./lstm-problem.mjs";

const gpt = { folder: "gpt", python: "torch_sequences.py", reference: "torch", load: loadGptProblem };

/**
 * @typedef {object} Network
 * @property {string} title
 * @property {number} batch samples per step, unless the user says otherwise
 * @property {string} folder
 * @property {string} python script that runs PyTorch, and NumPy if it is the reference
 * @property {"numpy" | "torch"} reference computes the expected losses in 64-bit numbers
 * @property {(batch: number, network: string) => object} [load] the problem; without it, the host loads fixtures
 */

/** @type {Record<string, Network>} */
export const NETWORKS = {
  lenet5: {
    title: "LeNet-5, Adam",
    batch: 64,
    folder: "lenet5",
    python: "torch_step.py",
    reference: "numpy",
  },
  lstm: {
    title: "LSTM of 128 units, 64 steps, Adam",
    batch: 64,
    folder: "lstm",
    python: "torch_sequences.py",
    reference: "torch",
    load: loadLstmProblem,
  },
  gpt: { ...gpt, title: "GPT of 4 layers, 4 heads, 128 wide, 64 tokens, AdamW", batch: 12 },
  "gpt-large": { ...gpt, title: "GPT of 6 layers, 6 heads, 192 wide, 128 tokens, AdamW", batch: 8 },
};
