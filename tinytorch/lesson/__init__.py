"""What the notebooks use and students do not build: assertions that teach, and the house style of figures."""
