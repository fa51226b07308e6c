// Training steps in Weft, compiled once (loss, gradients, Adam) and replayed; the batch stays on the device.
import { ADAM } from "../settings.mjs";

const MAX_STEPS_PER_SUBMIT = 8;

/**
 * @param {object} weft the library
 * @param {object} settings
 * @param {object} settings.backend
 * @param {Map<string, object>} settings.named parameters
 * @param {Record<string, { data: Float32Array }>} settings.weights their values
 * @param {[object, object][]} settings.data inputs and their values
 * @param {object} settings.loss
 */
export async function trainingSession(weft, { backend, named, weights, data, loss }) {
  const { ops, gradients, optim, state } = weft;
  const parameters = [...named.values()];
  const step = state([1], 0, "u32");
  const adam = optim.adam({ learningRate: ADAM.learningRate });
  const updates = [
    ...adam.updates(parameters, gradients(loss, parameters), adam.states(parameters), step),
    ops.record(state([1, 1]), step, [loss]),
  ];
  const program = await backend.compile({ outputs: [loss], updates });
  for (const [name, tensor] of named) backend.write(tensor, weights[name].data);
  for (const [tensor, value] of data) backend.write(tensor, value);

  const lossNow = async () => (await program.read(loss))[0];
  return {
    async firstLosses(n) {
      const losses = [];
      for (let i = 0; i < n; i++) {
        program.run();
        losses.push(await lossNow());
      }
      return losses;
    },
    async steps(k) {
      await program.ready?.();
      for (let done = 0; done < k; done += MAX_STEPS_PER_SUBMIT) {
        program.run(Math.min(MAX_STEPS_PER_SUBMIT, k - done));
      }
      return lossNow();
    },
    profile: () => program.profile(),
  };
}
