"""What a generated lookervault backup consists of; `make_vault` is its front."""
