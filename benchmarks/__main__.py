"""`make bench`: every benchmark, one after the other."""

from benchmarks import api, commands, confirmation, diagnosis, engine, mirror, rebuild, startup

BENCHMARKS = {
    "start-up": startup,
    "rebuild": rebuild,
    "engine": engine,
    "service": api,
    "commands": commands,
    "mirror": mirror,
    "diagnosis": diagnosis,
    "confirmation": confirmation,
}

for name, benchmark in BENCHMARKS.items():
    print(f"{name}", flush=True)
    benchmark.main()
