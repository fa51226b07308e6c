/** The graph of a probe: the probabilities of a model, and the feature maps before them. */
import { input, nn, ops, type Tensor } from "../src/index.ts";

export interface ProbeGraph {
  readonly x: Tensor;
  readonly probabilities: Tensor;
  /** Feature maps by title, in order. */
  readonly stages: ReadonlyMap<string, Tensor>;
}

/** `shape` of one sample; `stages`: whether feature maps are outputs too. */
export function probeGraph(
  model: nn.Layer,
  shape: readonly number[],
  batch: number,
  stages = false,
): ProbeGraph {
  const x = input([batch, ...shape], "f32", "probe");
  const found = new Map<string, Tensor>();
  const logits = stages ? stagesOf(model, x, found) : nn.forward(model, x);
  return { x, probabilities: ops.softmax(logits), stages: found };
}

/** The output of a sequence of layers. Adds the feature maps after each activation and pooling to `found`. */
function stagesOf(model: nn.Layer, x: Tensor, found: Map<string, Tensor>): Tensor {
  const layers = model instanceof nn.Sequential ? model.layers : [model];
  let block = 0;
  return layers.reduce<Tensor>((value, layer) => {
    const result = nn.forward(layer, value);
    if (layer instanceof nn.Conv2d) block++;
    else if (result.rank === 4) {
      const pooled = (result.shape[2] as number) < (value.shape[2] as number);
      found.set(`Block ${block}, ${pooled ? "pooled" : "activations"}`, result);
    }
    return result;
  }, x);
}
