"""What travels between the roles and to clients; protobuf messages are built and read here only."""
