// The LSTM step in Weft; the interface is described in ../lenet5/weft.mjs.
import { SIZES } from "../../lstm-problem.mjs";
import { importWeft } from "../weft-build.mjs";
import { trainingSession } from "../weft-training.mjs";

export async function create({ weights, inputs, labels, batch, gpu }) {
  const weft = await importWeft();
  const { GpuBackend, nn, ops, input } = weft;
  const { steps, features, units, classes } = SIZES;
  const backend = await GpuBackend.open(await gpu.requestAdapter());
  const lstm = nn.lstm(features, units, { returnSequences: false });
  const fc = nn.linear(units, classes);
  const named = new Map([
    ...nn.namedParameters(lstm),
    ...[...nn.namedParameters(fc)].map(([name, t]) => [`fc.${name}`, t]),
  ]);
  const x = input([batch, steps, features]);
  const target = input([batch], "i32");
  const { loss } = ops.crossEntropy(fc.forward(lstm.forward(x)), target);
  const data = [
    [x, inputs],
    [target, labels],
  ];
  return trainingSession(weft, { backend, named, weights, data, loss });
}
