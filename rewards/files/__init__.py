"""Files in and out: records line by line, results chunk by chunk, nothing lost when the process dies."""
