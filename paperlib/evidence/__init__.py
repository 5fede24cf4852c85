"""How evidence is weighed: claims, estimates, verdicts, equivalence, robustness."""
