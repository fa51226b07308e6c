/** Errors of programs name their cause: kernels that do not compile or bind, limits, a lost device. */
import { describe, expect, it } from "vitest";
import type { Kernel } from "../../src/graph/kernel.ts";
import { defineOp } from "../../src/graph/op.ts";
import { Shader } from "../../src/graph/shader.ts";
import { constant, input, state } from "../../src/graph/tensor.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { DeviceLostError, ShaderError } from "../../src/validation/errors.ts";
import { gpuBackend, ownBackend } from "../support/backend.ts";

/** An op with one kernel of the given WGSL text. */
function opOf(code: string, change: Partial<Kernel> = {}) {
  return defineOp({
    name: "broken",
    args: ["x"],
    results: ["y"],
    plan: ([x], _attrs: Record<string, never>) => ({ outputs: [x!], constants: {} }),
    cpu: () => undefined,
    kernels: () => ({
      kernels: [
        { shader: new Shader("broken.wgsl", code), entry: "main", bind: ["x", "y"], groups: [1], ...change },
      ],
    }),
  });
}

const header = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
`;

describe("invalid kernels", () => {
  const compile = async (code: string, change: Partial<Kernel> = {}) => {
    const backend = await gpuBackend();
    return backend.compile({ outputs: [opOf(code, change).one([input([4])], {}, "model.broken")] });
  };

  it("are reported with file, line, column, message and source line", async () => {
    const code = `${header}@compute @workgroup_size(1)\nfn main() {\n  y[0] = nonsense(x[0]);\n}\n`;
    const failed = compile(code);
    await expect(failed).rejects.toThrow(ShaderError);
    await expect(failed).rejects.toThrow(
      /broken.wgsl:main: broken.wgsl:5:10: .*nonsense.*\n {4}y\[0\] = nonsense\(x\[0\]\);/,
    );
  });

  it("do not affect other programs of the device", async () => {
    await expect(compile(`${header}fn main( {`)).rejects.toThrow(/broken.wgsl:3:/);
    const backend = await gpuBackend();
    const y = add(constant(Float32Array.of(1)), 1);
    const program = await backend.compile({ outputs: [y] });
    program.run();
    expect([...(await program.read(y))]).toEqual([2]);
    backend.device.check();
  });

  it("are named when an override has no value or one of another type", async () => {
    const code = `override N: u32;\n${header}@compute @workgroup_size(1) fn main() { y[0] = x[N]; }\n`;
    await expect(compile(code)).rejects.toThrow(/broken.wgsl:main: .*N.*constants \{\}/s);
    await expect(compile(code, { constants: { N: 1.5 } })).rejects.toThrow(
      /broken.wgsl: override N is u32, got 1.5/,
    );
    await expect(compile(code, { constants: { N: -1 } })).rejects.toThrow(
      /broken.wgsl: override N is u32, got -1/,
    );
  });

  it("are named when they bind unknown names", async () => {
    const code = `${header}@compute @workgroup_size(1) fn main() { y[0] = x[0]; }\n`;
    await expect(compile(code, { bind: ["x", "z"] })).rejects.toThrow(
      /broken.wgsl: main binds z, which the file does not declare/,
    );
    await expect(compile(code, { bind: ["x", ["y", "nothing"]] })).rejects.toThrow(
      /broken: a kernel binds nothing, which is neither an arg nor a result nor scratch memory of the op/,
    );
    await expect(compile(code, { entry: "other" })).rejects.toThrow(/broken.wgsl:other: .*other/s);
  });

  it("are named when the number of workgroups is zero, too large or fractional", async () => {
    const code = `${header}@compute @workgroup_size(1) fn main() { y[0] = x[0]; }\n`;
    for (const groups of [[0], [65536], [1, 2.5]] as const) {
      await expect(compile(code, { groups: groups as Kernel["groups"] })).rejects.toThrow(
        /model.broken: dispatches \[[^\]]+\] workgroups, but maxComputeWorkgroupsPerDimension is 65535/,
      );
    }
  });

  it("are refused when they read and write one buffer", async () => {
    const both = defineOp({
      name: "both",
      args: ["p", "x"],
      results: [],
      mutates: ["p"],
      plan: (_inputs, _attrs: Record<string, never>) => ({ outputs: [], constants: {} }),
      cpu: () => undefined,
      kernels: () => ({
        kernels: [
          {
            shader: new Shader(
              "both.wgsl",
              `${header}@compute @workgroup_size(1) fn main() { y[0] = x[0]; }\n`,
            ),
            entry: "main",
            bind: ["x", ["y", "p"]],
            groups: [1],
          },
        ],
      }),
    });
    const a = state([4], 0, "f32", "a");
    const backend = await gpuBackend();
    const spec = { outputs: [], updates: [both.node([a, reshape(a, [2, 2])], {}, "step")] };
    await expect(backend.compile(spec)).rejects.toThrow(
      /step: reads and writes a in one dispatch, which WebGPU forbids/,
    );
  });
});

describe("limits", () => {
  it("that a tensor exceeds are named, with its size", async () => {
    const backend = await ownBackend("default");
    const size = backend.device.limits.maxStorageBufferBindingSize / 4 + 64;
    const x = input([size], "f32", "huge");
    await expect(backend.compile({ outputs: [sum(x)] })).rejects.toThrow(
      new RegExp(`huge: needs ${size * 4} bytes, but maxStorageBufferBindingSize of .+ is ${size * 4 - 256}`),
    );
    await backend.close();
  });

  it("that a kernel exceeds are named", async () => {
    const backend = await ownBackend("default");
    const most = backend.device.limits.maxStorageBuffersPerShaderStage;
    const names = Array.from({ length: most + 1 }, (_, i) => `x${i}`);
    const declared = names.map((n, i) => `@group(0) @binding(${i}) var<storage, read> ${n}: array<f32>;`);
    const wide = defineOp({
      name: "wide",
      args: names,
      results: ["y"],
      plan: ([x], _attrs: Record<string, never>) => ({ outputs: [x!], constants: {} }),
      cpu: () => undefined,
      kernels: () => ({
        kernels: [
          { shader: new Shader("wide.wgsl", declared.join("\n")), entry: "main", bind: names, groups: [1] },
        ],
      }),
    });
    const y = wide.one(
      names.map(() => input([1])),
      {},
    );
    await expect(backend.compile({ outputs: [y] })).rejects.toThrow(
      new RegExp(
        `wide.wgsl: main needs ${most + 1} storage buffers, but maxStorageBuffersPerShaderStage is ${most}`,
      ),
    );
    await backend.close();
  });
});

describe("a lost device", () => {
  it("makes every call that needs it throw DeviceLostError", async () => {
    const backend = await ownBackend();
    const x = input([2]);
    const y = mul(x, 2);
    const program = await backend.compile({ outputs: [y] });
    backend.write(x, Float32Array.of(1, 2));
    program.run();
    await program.read(y);
    backend.device.destroy();
    const lost = await backend.device.lost;
    expect(lost).toBeInstanceOf(DeviceLostError);
    expect(lost.message).toMatch(/device: lost \(destroyed\)/);
    expect(() => program.run()).toThrow(DeviceLostError);
    expect(() => backend.write(x, Float32Array.of(1, 2))).toThrow(DeviceLostError);
    await expect(program.read(y)).rejects.toThrow(DeviceLostError);
    await expect(backend.compile({ outputs: [add(x, 1)] })).rejects.toThrow(DeviceLostError);
  });

  it("rejects a pending read", async () => {
    const backend = await ownBackend();
    const x = input([2]);
    const y = mul(x, 2);
    const program = await backend.compile({ outputs: [y] });
    program.run();
    const reading = program.read(y);
    backend.device.destroy();
    await expect(reading).rejects.toThrow(DeviceLostError);
  });
});
