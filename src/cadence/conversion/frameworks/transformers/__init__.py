"""The schedules of Hugging Face transformers, by the names of `get_scheduler` and those of its functions."""
