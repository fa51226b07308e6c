/** Short names for the overrides of recorded shaders, in their code and in the constants of their pipelines alike. */
import type { RecordedPipeline, Recording } from "./recording.ts";

type Kernels = Pick<Recording, "shaders" | "pipelines">;

const WORD = /[A-Za-z_]\w*/g;

/** `kernels` with every override renamed but those in `kept`, which somebody sets by name later. */
export function shortOverrides({ shaders, pipelines }: Kernels, kept: ReadonlySet<string>): Kernels {
  const taken = new Set(shaders.flatMap(({ code }) => code.match(WORD) ?? []));
  const names = new Map<string, string>();
  let last = 0;
  const short = (name: string): string => {
    const known = names.get(name);
    if (known !== undefined) return known;
    let next: string;
    do next = `Z${(last++).toString(36)}`;
    while (taken.has(next));
    names.set(name, next);
    return next;
  };
  const own = shaders.map(
    ({ code }) => new Set(Array.from(code.matchAll(/\boverride\s+(\w+)/g), ([, name]) => name as string)),
  );
  const renamed = (name: string, shader: number) =>
    own[shader]?.has(name) && !kept.has(name) ? short(name) : name;
  return {
    shaders: shaders.map(({ file, code }, i) => ({
      file,
      code: code.replace(WORD, (word) => renamed(word, i)),
    })),
    pipelines: pipelines.map((pipeline): RecordedPipeline => {
      const constants = Object.entries(pipeline.constants).map(([k, v]) => [renamed(k, pipeline.shader), v]);
      return { ...pipeline, constants: Object.fromEntries(constants) };
    }),
  };
}
