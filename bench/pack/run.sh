#!/bin/sh
# Runs the packed benchmark on this machine's Vulkan driver; needs nothing installed. Options: --parts suite,kernels,steps,torch
# (all), --only TEXT, --out DIR (results beside this script). VK_DRIVER_FILES or VK_ICD_FILENAMES choose a driver.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libvulkan\.so\.1'; then
  export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
export WEFT_BUILD="$here/weft/index.js"
out=--out="$here/results"
exec "$here/node" "$here/bench/pack/packed.mjs" "$out" "$@"
