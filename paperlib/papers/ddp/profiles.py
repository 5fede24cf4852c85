"""What each profile of the deep degradation prior trains, and how. "fdm": the modules; "few": those
of ten images."""

from paperlib.study import Settings

FDM = {"optimizer": "adam", "weight_decay": 0.0, "schedule": "onecycle"}

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        networks=("resnet18", "vgg16", "alexnet"),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 256,
            "test_size": 64,
            "epochs": 1,
        },
        by_network={
            "resnet18": {"width": 0.0625, "lr": 0.1},
            "vgg16": {"width": 0.0625, "lr": 0.1},
            "alexnet": {"width": 0.125, "lr": 0.02},
            "fdm": {**FDM, "train_size": 64, "lr": 3e-3},
            "few": {"epochs": 2, "batch_size": 10, "test_size": 8},
        },
        holdout=0,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        networks=("resnet18", "vgg16", "alexnet"),
        recipe={
            "batch_size": 64,
            "schedule": "onecycle",
            "train_size": 10_000,
            "test_size": 250,
            "epochs": 4,
        },
        by_network={
            "resnet18": {"width": 0.125, "lr": 0.1},
            "vgg16": {"width": 0.125, "lr": 0.02, "options": {"dropout": 0.1}},
            "alexnet": {"width": 0.25, "lr": 0.01},
            "fdm": {**FDM, "train_size": 1000, "epochs": 4, "batch_size": 16, "lr": 3e-3},
            "few": {"epochs": 100, "batch_size": 10, "test_size": 8},
        },
        holdout=0,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=3,
        networks=("resnet50", "vgg16", "resnet18", "alexnet"),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step"},
        by_network={
            "resnet50": {"lr": 0.1},
            "resnet18": {"lr": 0.1},
            "vgg16": {"lr": 0.05},
            "alexnet": {"lr": 0.01},
            "fdm": {
                **FDM,
                "schedule": "step",
                "train_size": 1000,
                "epochs": 100,
                "batch_size": 16,
                "lr": 1e-3,
            },
            "few": {"epochs": 1000, "batch_size": 10, "test_size": 8},
        },
        holdout=0,
    ),
}
