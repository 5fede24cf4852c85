"""How evidence is weighed: claims, estimates, verdicts, equivalence, and robustness to
corruptions."""
