"""How frameworks execute rules: by a kernel where the tensors lie in memory, else by the framework's own operations."""
