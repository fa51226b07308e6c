/** Applies transforms one after the other, and merges neighbours that are affine maps into one. */
import { AffineTransform, applyAffine } from "./geometric.ts";
import { type Batch, checkTransform, type Transform } from "./transform.ts";

class Composed implements Transform {
  readonly name = "compose";

  constructor(readonly parts: readonly Transform[]) {}

  apply(batch: Batch): Batch {
    let current = batch;
    let run: AffineTransform[] = [];
    const flush = () => {
      if (run.length > 0) current = { ...current, x: applyAffine(run, current.x) };
      run = [];
    };
    for (const part of this.parts) {
      if (part instanceof AffineTransform) {
        if (!run.every((other) => other.canMergeWith(part))) flush();
        run.push(part);
      } else {
        flush();
        current = part.apply(current);
      }
    }
    flush();
    return current;
  }
}

/** Applies `transforms` in order. */
export function compose(...transforms: readonly Transform[]): Transform {
  transforms.forEach((t, i) => {
    checkTransform(`compose: transform ${i}`, t);
  });
  return new Composed(transforms.flatMap((t) => (t instanceof Composed ? t.parts : [t])));
}
