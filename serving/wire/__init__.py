"""What travels between the roles, and the only place that builds or reads protobuf messages."""
