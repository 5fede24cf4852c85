"""How evidence is weighed: claims, estimates, looks, verdicts, robustness."""
