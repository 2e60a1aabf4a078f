"""Import, review, publish and withdraw answers, and record each step in the audit log."""
