"""nanoGPT's CPU setting on tiny_shakespeare."""

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment

experiment = Experiment(
    title="tiny_shakespeare by characters: nanoGPT's CPU setting",
    arms=(Arm("baseline", load_preset("shakespeare_gpt"), minutes=2.5),),
    seeds=3,
)
