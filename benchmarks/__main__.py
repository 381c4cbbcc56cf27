"""`make bench`: every benchmark, one after the other."""

from benchmarks import engine, rebuild, startup

for name, benchmark in (("start-up", startup), ("rebuild", rebuild), ("engine", engine)):
    print(f"{name}", flush=True)
    benchmark.main()
