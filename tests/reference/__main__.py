"""`python -m reference golden|fed|free|speed`: see the package's docstring. Runs in the reference
environment."""

import argparse
import sys
from pathlib import Path


def main() -> None:
    """Reads the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    parser.add_argument("command", choices=("golden", "fed", "free", "speed"))
    parser.add_argument(
        "--robustness", type=Path, help="a checkout of github.com/hendrycks/robustness"
    )
    parser.add_argument(
        "--library", type=Path, help="the folder that holds torch, when this environment has none"
    )
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--data-root", type=Path, help="where CIFAR-10 is")
    parser.add_argument(
        "--textures", type=Path, help="the frost photographs (default: the package's)"
    )
    parser.add_argument("--device", default="auto", help="for speed (default: auto)")
    parser.add_argument("--rounds", type=int, default=5, help="for speed (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=0.1, help="for speed: of a turn (default: 0.1)"
    )
    parser.add_argument(
        "--corruptions", help="for fed and speed: some of the 19, by commas; writes no record"
    )
    parser.add_argument("--tables", help="for fed: some of the three, by commas")
    options = parser.parse_args()
    if options.library:
        sys.path.append(str(options.library))

    from reference import golden, inputs, published

    names = tuple(options.corruptions.split(",")) if options.corruptions else inputs.CORRUPTIONS
    tables = tuple(options.tables.split(",")) if options.tables else published.TABLES
    if options.command == "golden":
        golden.main(options.robustness)
    elif options.command == "fed":
        from reference import fed

        root, textures = options.data_root, options.textures
        fed.main(options.robustness, options.images, root, textures, tables=tables, names=names)
    elif options.command == "free":
        from reference import free

        free.main(options.robustness)
    else:
        from reference import speed

        speed.main(options.device, options.rounds, options.seconds, options.images, names)


main()
