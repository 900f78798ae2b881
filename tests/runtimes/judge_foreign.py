"""int8 files that stet did not write, loaded by stet and executed by LiteRT: every code.

  judge_foreign.py PROGRAM [MODELS]

PROGRAM is the compiled foreign_models.cpp. The last line is 'N codes compared, D differing'; the exit status is 1 if
anything differs or fails."""
import subprocess
import sys
import tempfile

import numpy as np

from run_litert import LiteRt

TARGETS = {"tflite_reference": "reference", "litert_default": "default"}


def main():
    models = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    compared = differing = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder, str(models)], check=True)
        for model in range(models):
            base = f"{folder}/{model}"
            codes = np.load(base + ".x.npy")
            for target, kernels in TARGETS.items():
                runtime = LiteRt(base + ".tflite", kernels)
                unsigned = runtime.input["dtype"] == np.uint8
                x = (codes.astype(np.int16) + 128).astype(np.uint8) if unsigned else codes
                (y,) = runtime.all(x)
                if y.dtype == np.uint8:
                    y = (y.astype(np.int16) - 128).astype(np.int8)
                wrong = int((y != np.load(f"{base}.{target}.npy")).sum())
                if wrong:
                    print(f"model {model} on {target}: {wrong} of {y.size} codes differ")
                compared, differing = compared + y.size, differing + wrong
    print(f"{compared} codes compared, {differing} differing")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
