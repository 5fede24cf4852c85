"""What is measured of speed: `make bench`. Records go to `data/results/bench/`."""
