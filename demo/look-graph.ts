/** The graph of a look into a model: probabilities, and pictures on the way to them. */
import { input, nn, ops, type Tensor } from "../src/index.ts";

export interface LookGraph {
  readonly x: Tensor;
  readonly probabilities: Tensor;
  /** By their titles, in order. */
  readonly stages: ReadonlyMap<string, Tensor>;
}

/** `shape` of one sample; `stages`: whether to look at what lies on the way. */
export function lookGraph(
  model: nn.Layer,
  shape: readonly number[],
  batch: number,
  stages = false,
): LookGraph {
  const x = input([batch, ...shape], "f32", "probe");
  const found = new Map<string, Tensor>();
  const logits = stages ? stagesOf(model, x, found) : nn.forward(model, x);
  return { x, probabilities: ops.softmax(logits), stages: found };
}

/** Goes through the layers of a sequence and notes pictures on the way: what is behind each activation and pooling. */
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
