"""What each profile of self-feature distillation trains, and how.

Classifiers learn from clean images; "adapted" is what the training on corrupted images changes, the
same for all models but for "ddp" and "urie", which train a module before or inside the frozen
classifier and have its recipe.
"""

from paperlib.study import Settings

# As in the released code, but for the schedule: there a tenth four times within some 18 epochs of
# ImageNet. With SGD at a rate that suits the classifier, the UEM hardly learns: its gradient has
# the factor lambda.
ADAM = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-3}
MODULE = {"optimizer": "adam", "weight_decay": 0.0}
URIE = {"network": "urie", "optimizer": "adam", "weight_decay": 1e-3}  # as in its released code

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        networks=("resnet18",),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 128,
            "test_size": 32,
            "epochs": 1,
        },
        by_network={
            "resnet18": {"width": 0.0625, "lr": 0.1},
            "invertible": {"width": 0.0625, "lr": 0.02},
            "adapted": {**ADAM},
            "ddp": {**MODULE, "lr": 3e-3},
            "urie": {**URIE, "width": 0.25, "lr": 1e-3},
        },
        holdout=64,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        networks=("resnet18",),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 10_000,
            "test_size": 250,
            "epochs": 4,
        },
        by_network={
            "resnet18": {"width": 0.125, "lr": 0.1},
            "invertible": {"width": 0.125, "lr": 0.05, "train_size": 5000},
            "adapted": {**ADAM, "train_size": 2500, "epochs": 2},
            "ddp": {**MODULE, "lr": 3e-3},
            "urie": {**URIE, "width": 0.25, "lr": 1e-3},
        },
        holdout=1000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=3,
        networks=("resnet50", "resnext101"),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step"},
        by_network={
            "resnet50": {"lr": 0.1},
            "resnext101": {"lr": 0.1},
            "invertible": {"lr": 0.1},
            "adapted": {**ADAM, "epochs": 60},
            "ddp": {**MODULE, "lr": 1e-3},
            "urie": {**URIE, "width": 1.0, "lr": 1e-4},
        },
        holdout=5000,
    ),
}
