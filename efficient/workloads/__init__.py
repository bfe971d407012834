"""What is learned, and how is it scored?"""

from efficient.workloads.workload import (
    Batch,
    ImageClassification,
    LanguageModel,
    Measures,
    WorkloadError,
    score,
)

#: The literal table is the registry.
WORKLOADS = {"images": ImageClassification, "text": LanguageModel}

__all__ = [
    "WORKLOADS",
    "Batch",
    "ImageClassification",
    "LanguageModel",
    "Measures",
    "WorkloadError",
    "score",
]
