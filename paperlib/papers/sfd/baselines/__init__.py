"""What the table of self-feature distillation compares it with: URIE, VID and QualNet."""
