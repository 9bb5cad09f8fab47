"""What the flows are written with: the deployment, its callers, and what they may do."""
