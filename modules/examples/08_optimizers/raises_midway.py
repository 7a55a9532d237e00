# A student who began well and mistyped a name in SGD: what comes later and does not need SGD still counts.
# based on: good

# %% sgd-class: SGD.step_param
if group["momentum"] == 0:
    parameter -= group["learning_rate"] * gradient
    return
velocity = state["momentum_buffer"]
velocity[...] = group["momentum"] * velocity + gradient
parameter -= group["learning_rate"] * velcity
