# A student who handed the notebook in as it came.
