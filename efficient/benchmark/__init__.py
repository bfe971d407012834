"""How fast is what was shipped? Score, size, memory, latency and throughput of artefacts."""

from efficient.benchmark.contest import bench
from efficient.benchmark.error import BenchmarkError

__all__ = ["BenchmarkError", "bench"]
