// The GPT in jax-js. The interface is described in ../lenet5/weft.mjs.
import { nn, numpy as np } from "@jax-js/jax";
import { ADAMW } from "../../settings.mjs";
import { openJax, trainingSession } from "../jax-js-training.mjs";

export async function create({ sizes, weights, tokens, labels, batch }) {
  await openJax();
  const { layers, heads, embedSize: C, contextLength: T, vocabSize } = sizes;
  // Gathering has no gradient in jax-js; a product with one-hot vectors has.
  const oneHot = (ids) =>
    nn.oneHot(np.array(ids, { dtype: np.int32 }), vocabSize).reshape([batch * T, vocabSize]);

  const loss = (w, x, target) => {
    const linear = (h, name) => np.matmul(h, w[`${name}.weight`].transpose()).add(w[`${name}.bias`]);
    const norm = (h, name) => nn.standardize(h, -1).mul(w[`${name}.weight`]).add(w[`${name}.bias`]);
    const attention = (h, name) => {
      const qkv = linear(h, `${name}.c_attn`).reshape([batch, T, 3, heads, C / heads]);
      const part = (i) => qkv.ref.slice([], [], i);
      const y = nn.dotProductAttention(part(0), part(1), part(2), { isCausal: true });
      qkv.dispose();
      return linear(y.reshape([batch * T, C]), `${name}.c_proj`);
    };
    let h = np
      .matmul(x, w["wte.weight"].ref)
      .reshape([batch, T, C])
      .add(w["wpe.weight"])
      .reshape([batch * T, C]);
    for (let i = 0; i < layers; i++) {
      h = h.ref.add(attention(norm(h, `h.${i}.ln_1`), `h.${i}.attn`));
      const hidden = nn.gelu(linear(norm(h.ref, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`));
      h = h.add(linear(hidden, `h.${i}.mlp.c_proj`));
    }
    const logits = np.matmul(norm(h, "ln_f"), w["wte.weight"].transpose());
    return nn
      .logSoftmax(logits, -1)
      .mul(target)
      .sum()
      .mul(-1 / (batch * T));
  };
  return trainingSession({ weights, data: [oneHot(tokens), oneHot(labels)], loss, optimizer: ADAMW });
}
