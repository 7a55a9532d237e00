# A student who understood the bias correction, and then left it out of the class.
# based on: good

# %% adam-class: Adam.step_param
first, second = state["first_moment"], state["second_moment"]
first += (1 - group["beta1"]) * (gradient - first)
second += (1 - group["beta2"]) * (gradient * gradient - second)
parameter -= group["learning_rate"] * first / (second ** 0.5 + group["epsilon"])
