"""The standard library's bytes: the preset, and whether a network beats counting."""

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment

experiment = Experiment(
    title="pystdlib: a GPT of four blocks",
    arms=(Arm("baseline", load_preset("pystdlib_gpt"), minutes=8.0),),
    seeds=1,
)
