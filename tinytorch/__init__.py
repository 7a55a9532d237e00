"""TinyTorch: a small deep-learning framework, built one course module at a time."""

__version__ = "0.1.0"
