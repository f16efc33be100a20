"""Methods, each written once: plain arithmetic that frameworks execute, and that C is written from."""
