/** The constants of a convolution block: conv2d, relu and a max pool whose windows neither overlap nor are padded. */
import type { ConvConstants } from "./conv.ts";

/** y [N, O, PH, PW]; the rows and columns of the convolution that no window covers are not computed. */
export type BlockConstants = ConvConstants & {
  readonly PKH: number;
  readonly PKW: number;
  readonly PH: number;
  readonly PW: number;
};

export type BlockBackwardConstants = BlockConstants & { readonly needsX: boolean; readonly needsW: boolean };
