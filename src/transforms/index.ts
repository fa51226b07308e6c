/** Data augmentation, and other changes of batches on their way to the model: `import { transforms } from "weft"`. */
export { compose } from "./compose.ts";
export { centerCrop, normalize, pad, type ResizeOptions, resize, type Size } from "./fixed.ts";
export {
  type FillOptions,
  type InterpolationOptions,
  type RandomAffineOptions,
  type RandomCropOptions,
  randomAffine,
  randomCrop,
  randomHorizontalFlip,
  randomRotation,
  randomShift,
  randomVerticalFlip,
} from "./geometric.ts";
export { type CutoutOptions, cutout, mixup } from "./mixing.ts";
export type { Batch, Transform } from "./transform.ts";
