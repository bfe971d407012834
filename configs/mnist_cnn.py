"""MNIST, LeNet-5 (its images padded to 32x32).

efficient train mnist_cnn      a few minutes on two CPU cores; test accuracy 0.989 or more
"""

from efficient import Config
from efficient.models.lenet import LeNet5Spec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.workloads import ImageClassification

config = Config(
    workload=ImageClassification(data="mnist"),
    model=LeNet5Spec(),
    optimizer=Optimizer(
        name="adamw", lr=2e-3, weight_decay=1e-2, schedule=Schedule("cosine", warmup=0.05)
    ),
    train_for="10 epochs",
    batch_size=128,
    eval_batch_size=500,
)
