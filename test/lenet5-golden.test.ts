/** LeNet-5's golden trajectory on the GPU: fused, op by op, and with every convolution variant. */
import { describe, it } from "vitest";
import { gpuBackend } from "./support/backend.ts";
import { inPage } from "./support/in-page.ts";
import { followTrajectory } from "./support/lenet5-trajectory.ts";

describe("LeNet-5 follows the golden trajectory", () => {
  it("GPU, fused", async () => followTrajectory(await gpuBackend(), {}, 1e-4));
  it("GPU, op by op", async () => followTrajectory(await gpuBackend(), { fuse: false }, 1e-4));
  for (const variant of inPage ? [] : ["direct", "im2col"]) {
    const variants = { conv2d: variant, conv2dBackwardInput: variant, conv2dBackwardWeight: variant };
    it(`GPU, conv2d ${variant}`, async () => followTrajectory(await gpuBackend(), { variants }, 1e-4));
  }
});
