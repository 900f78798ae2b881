"""The protocol of benchmarks/compare.py; see ../serve.hpp for what goes in and out."""
import resource
import sys
import time


def peak_memory():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def serve(step, before=0):
    """Calls step() as often as each line of the input says, and prints its milliseconds: wall clock and processor time; at the
    end the bytes that were needed more than `before`."""
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            print(f"{1e3 * (time.perf_counter() - wall):.4f} {1e3 * (time.process_time() - cpu):.4f}", end=" ")
        print(flush=True)
    print(peak_memory() - before)
