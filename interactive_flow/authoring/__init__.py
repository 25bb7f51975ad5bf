"""What users write with: `task`, `workflow`, `flow`, and the functions for use inside a workflow."""
