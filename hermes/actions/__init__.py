"""What the nodes of a build do. Each module executes one kind of action; none knows a rule or a target."""
