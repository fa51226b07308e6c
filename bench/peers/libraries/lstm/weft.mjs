// The LSTM step in Weft; the interface is described in ../weft.mjs.
import { SIZES } from "../../lstm-problem.mjs";
import { importWeft } from "../weft-build.mjs";

const MAX_STEPS_PER_SUBMIT = 8;

export async function create({ weights, inputs, labels, batch, gpu }) {
  const { GpuBackend, nn, ops, gradients, optim, input, state } = await importWeft();
  const { steps, features, units, classes } = SIZES;
  const backend = await GpuBackend.open(await gpu.requestAdapter());
  const lstm = nn.lstm(features, units, { returnSequences: false });
  const fc = nn.linear(units, classes);
  const named = new Map([
    ...nn.namedParameters(lstm),
    ...[...nn.namedParameters(fc)].map(([name, t]) => [`fc.${name}`, t]),
  ]);
  const parameters = [...named.values()];
  const x = input([batch, steps, features]);
  const target = input([batch], "i32");
  const step = state([1], 0, "u32");
  const { loss } = ops.crossEntropy(fc.forward(lstm.forward(x)), target);
  const adam = optim.adam({ learningRate: 1e-3 });
  const updates = [
    ...adam.updates(parameters, gradients(loss, parameters), adam.states(parameters), step),
    ops.record(state([1, 1]), step, [loss]),
  ];
  const program = await backend.compile({ outputs: [loss], updates });
  for (const [name, tensor] of named) backend.write(tensor, weights[name].data);
  backend.write(x, inputs);
  backend.write(target, labels);

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
  };
}
