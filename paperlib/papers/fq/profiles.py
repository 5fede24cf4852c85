"""What each profile of feature quantization trains, and how."""

from paperlib.study import DETECTOR, Settings

SHORT = {"batch_size": 64, "schedule": "onecycle", "lr": 0.1}

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits", "scenes"),
        seeds=1,
        networks=("resnet18", "resnet50", "plain10"),
        recipe={**SHORT, "train_size": 256, "test_size": 128, "epochs": 1},
        by_network={
            "smallcnn": {"width": 0.5},
            "resnet18": {"width": 0.0625},
            "resnet50": {"width": 0.0625},
            "plain10": {"width": 0.0625},
            "vgg16": {"width": 0.0625},
            "detector": {**DETECTOR, "train_size": 64, "test_size": 32},
        },
        holdout=128,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits", "scenes"),
        seeds=3,
        networks=("resnet18", "plain10"),  # a ResNet-50 learns nothing in a minute
        recipe={
            "batch_size": 16,
            "schedule": "onecycle",
            "lr": 0.05,
            "train_size": 1500,
            "test_size": 500,
            "epochs": 3,
        },
        by_network={
            "smallcnn": {"lr": 0.02, "train_size": 1200, "test_size": 1000},
            "resnet18": {"width": 0.125},
            "plain10": {"width": 0.25},
            "vgg16": {
                "width": 0.125,
                "lr": 0.02,
                "batch_size": 32,
                "train_size": 2000,
                "epochs": 6,
            },
            "detector": {**DETECTOR, "train_size": 2000, "test_size": 0},
        },
        holdout=500,
    ),
    # As much of the paper's tables, on the paper's small data sets, as two CPU cores can do in an
    # afternoon.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "cifar100", "scenes"),
        seeds=5,
        networks=("resnet18", "resnet50", "plain10"),
        recipe={**SHORT, "train_size": 10_000, "test_size": 2000, "epochs": 2},
        by_network={
            "smallcnn": {"train_size": 25_000, "test_size": 0, "epochs": 1},
            "resnet18": {"width": 0.25},
            "resnet50": {"width": 0.0625},
            "plain10": {"width": 0.5},
            "vgg16": {"width": 0.25, "lr": 0.02, "batch_size": 32, "epochs": 4, "test_size": 5000},
            "detector": {**DETECTOR, "train_size": 2000, "test_size": 0, "epochs": 3},
        },
        holdout=2000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "cifar100", "voc2007"),
        seeds=10,
        networks=("resnet18", "resnet50", "plain10"),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step", "lr": 0.1},
        by_network={
            "smallcnn": {},
            "resnet18": {},
            "resnet50": {},
            "plain10": {},
            "vgg16": {"lr": 0.05, "test_size": 5000},
            "detector": {
                **DETECTOR,
                "width": 1.0,
                "lr": 1e-3,
                "options": {"stages": 3, "anchors": "48,96,192"},
            },
        },
        holdout=5000,
    ),
}
