"""The public API's protobuf messages ↔ the same bodies and answers that REST has as JSON."""
