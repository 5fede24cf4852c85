"""What each profile of simple self-distillation trains, and how. "unet" and "liu" are denoisers."""

from paperlib.study import DETECTOR, Settings

ADAM = {"optimizer": "adam", "weight_decay": 0.0, "schedule": "onecycle"}

# Levels of noise; the first is that of tuning, ablations and pictures.
LEVELS = {
    "smoke": ("gaussian-30",),
    "demo": ("gaussian-60", "poisson_gaussian"),
    "cpu": ("gaussian-60", "gaussian-30"),
    "paper": ("gaussian-30", "gaussian-15", "gaussian-45", "gaussian-60", "poisson_gaussian"),
}

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits", "scenes"),
        seeds=1,
        networks=("resnet18",),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 128,
            "test_size": 64,
            "epochs": 1,
        },
        by_network={
            "resnet18": {"width": 0.0625, "lr": 0.1},
            "unet": {**ADAM, "width": 0.125, "lr": 3e-3},
            "liu": {**ADAM, "width": 0.125, "lr": 3e-3},
            "detector": {**DETECTOR, "train_size": 32, "test_size": 16},
        },
        holdout=64,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits", "scenes"),
        seeds=3,
        networks=("resnet18",),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 3000,
            "test_size": 2500,
            "epochs": 3,
        },
        by_network={
            "resnet18": {"width": 0.125, "lr": 0.1},
            "unet": {**ADAM, "width": 0.25, "lr": 3e-3, "epochs": 2},
            "liu": {**ADAM, "width": 0.25, "lr": 3e-3, "epochs": 2},
            "detector": {**DETECTOR, "train_size": 600, "test_size": 200, "epochs": 2},
        },
        holdout=1000,
    ),
    # Few images, and for them a long schedule: longer training then gains little, which is what a
    # fair comparison with the compute of teacher and student asks for, on two CPU cores.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "scenes"),
        seeds=5,
        networks=("resnet18",),
        recipe={"batch_size": 32, "schedule": "onecycle", "train_size": 1500, "epochs": 40},
        by_network={
            "resnet18": {"width": 0.125, "lr": 0.1},
            "unet": {**ADAM, "width": 0.25, "lr": 3e-3, "epochs": 15},
            "liu": {**ADAM, "width": 0.25, "lr": 3e-3, "epochs": 10},
            "detector": {**DETECTOR, "train_size": 2000, "test_size": 0, "epochs": 4},
        },
        holdout=5000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn", "scenes"),
        seeds=5,
        networks=("resnet18",),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step"},
        by_network={
            "resnet18": {"lr": 0.1},
            "unet": {**ADAM, "lr": 1e-3, "schedule": "cosine"},
            "liu": {**ADAM, "lr": 1e-3, "schedule": "cosine"},
            "detector": {**DETECTOR, "width": 0.5, "train_size": 0, "test_size": 0, "epochs": 30},
        },
        holdout=5000,
    ),
}
