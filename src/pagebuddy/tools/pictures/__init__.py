"""Pictures of memory: in a terminal, as SVG and PNG, and in notebooks."""
