/** A fit that nobody awaits: it trains all the same, and its failure ends the process as any unhandled rejection does. */
import { expect, it } from "vitest";
import { bundle, runScript } from "../support/child.ts";

it("trains, and a failure is not silent", async () => {
  const { file, remove } = await bundle("src/index.ts");
  try {
    const script = (rest: string) => `
      const { CpuBackend, Trainer, nn, optim } = await import(${JSON.stringify(file)});
      const trainer = await Trainer.create(new CpuBackend(), {
        model: nn.linear(4, 3), loss: nn.crossEntropy(), optimizer: optim.sgd({ learningRate: 0.1 }), batchSize: 8,
      });
      const points = {
        name: "points", split: "train", count: 16, classes: 3, labels: new Int32Array(16),
        inputs: { data: new Float32Array(64), shape: [4] },
      };
      const fail = ({ event }) => { if (event === "epoch") throw new Error("mine"); };
      ${rest}
      process.once("beforeExit", () => console.log("steps", trainer.steps));`;
    const trained = await runScript(script("trainer.fit(points, { epochs: 2 });"));
    expect(trained).toMatchObject({ code: 0, stdout: "steps 4\n", stderr: "" });
    const failed = await runScript(script("trainer.fit(points, { callbacks: [fail] });"));
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("Error: mine");
    const refused = await runScript(script("trainer.fit(points); trainer.fit(points);"));
    expect(refused.stderr).toContain("BusyError: fit: another fit of this trainer is under way");
    // Whoever iterates, or leaves the loop, hears of it there and nowhere else.
    const heard = await runScript(
      script(`
        try { for await (const event of trainer.fit(points)) fail(event); } catch (e) { console.log("heard", e.message); }
        try { for await (const _ of trainer.fit(points, { callbacks: [fail] })); } catch (e) { console.log("heard", e.message); }`),
    );
    expect(heard).toMatchObject({ code: 0, stdout: "heard mine\nheard mine\nsteps 4\n", stderr: "" });
  } finally {
    remove();
  }
});
