"""The public API over gRPC: other messages, the same services behind them."""
