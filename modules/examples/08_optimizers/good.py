# A student who solved everything, in a hand of their own.

# %% gradient-descent-function: gradient_descent_step
if parameter.grad is not None:
    g = parameter.grad.data.data
    if np.isnan(g).any() or np.isinf(g).any():
        raise ValueError("cannot step along a gradient that is nan or infinite")
    p = parameter.data.data
    p[...] = p - learning_rate * g

# %% optimizer-class: Optimizer.zero_grad
for group in self.param_groups:
    for member in group["parameters"]:
        member.zero_grad()

# %% optimizer-class: Optimizer.step
self.step_count = self.step_count + 1
for group in self.param_groups:
    ready = [p for p in group["parameters"] if p.grad is not None]
    for p in ready:
        self.update(group, p)

# %% optimizer-class: Optimizer.decayed_gradient
if not isinstance(weight_decay, float):
    return weight_decay.apply(gradient, group, parameter)
return gradient if weight_decay == 0 else parameter * weight_decay + gradient

# %% sgd-class: SGD.init_state
if group["momentum"] != 0:
    state["momentum_buffer"] = np.zeros(parameter.shape, parameter.dtype)

# %% sgd-class: SGD.step_param
mu, lr = group["momentum"], group["learning_rate"]
if mu == 0:
    parameter -= lr * gradient
else:
    v = state["momentum_buffer"]
    v[...] = mu * v + gradient
    parameter -= lr * v

# %% adam-moments: update_moments
new_m = m + (1 - beta1) * (g - m)
new_v = v + (1 - beta2) * (g * g - v)
return new_m, new_v

# %% adam-correction: correct_bias
missing = beta ** t
return average / (1.0 - missing)

# %% adam-path: adam_path
m, v = update_moments(m, v, g, beta1, beta2)
root = correct_bias(v, beta2, t) ** 0.5
p = p - learning_rate * correct_bias(m, beta1, t) / (root + epsilon)

# %% adam-class: Adam.init_state
for moment in ("first_moment", "second_moment"):
    state[moment] = np.zeros(parameter.shape, parameter.dtype)

# %% adam-class: Adam.step_param
t = state["update_count"]
b1, b2 = group["beta1"], group["beta2"]
first, second = state["first_moment"], state["second_moment"]
first += (1 - b1) * (gradient - first)
second += (1 - b2) * (gradient * gradient - second)
first_hat = first / (1 - b1 ** t)
second_hat = second / (1 - b2 ** t)
parameter -= group["learning_rate"] * (first_hat / (second_hat ** 0.5 + group["epsilon"]))

# %% steplr-class: Schedule.__init__
self.step_count = 0
self.initial_lrs = []
for group in optimizer.param_groups:
    self.initial_lrs.append(group["learning_rate"])

# %% steplr-class: Schedule.epoch
return 0 if self.step_count == 0 else self.step_count - 1

# %% steplr-class: Schedule.step
self.step_count = self.step_count + 1
scale = self.factor(self.epoch)
for i, group in enumerate(self.optimizer.param_groups):
    group["learning_rate"] = scale * self.initial_lrs[i]

# %% steplr-class: StepLR.factor
drops = epoch // self.step_size
return self.gamma ** drops

# %% training-integration: fit_line
for epoch in range(epochs):
    schedule.step()
    for i in range(len(x_data)):
        optimizer.zero_grad()
        miss = subtract(add(multiply(w, x_data[i]), b), y_data[i])
        multiply(miss, miss).backward()
        optimizer.step()

# %% training-integration: train_simple_model
answer = []
for kind, options in ((SGD, {"learning_rate": 0.01, "momentum": 0.9}), (Adam, {"learning_rate": 0.1})):
    slope, intercept = Variable(0.1), Variable(0.0)
    optimizer = kind([slope, intercept], **options)
    schedule = scheduler(optimizer, step_size=30, gamma=0.5)
    fit_line(slope, intercept, optimizer, schedule, x_data, y_data, epochs)
    answer.extend([slope.data.item(), intercept.data.item()])
return tuple(answer)

# %% bug-hunt: follows_adam
names = ("punctual", "sleeper", "latecomer")
start = {"punctual": [1.0, -2.0, 0.5], "latecomer": [0.3, 4.0, -1.0], "sleeper": [2.0, 2.0, 2.0]}
first_step = {"punctual": 0, "latecomer": 3, "sleeper": 99}
pushes = {name: np.random.default_rng(17 + i).uniform(-2, 2, (8, 3)) for i, name in enumerate(names)}
for name in names:
    pushes[name][:, 1] = 0
    pushes[name][4] = pushes[name][4] / 100
people = {name: Variable(np.array(start[name])) for name in names}
optimizer = make_optimizer([people[name] for name in names], **settings)
for step in range(8):
    for name in names:
        awake = step >= first_step[name]
        people[name].grad = Variable(pushes[name][step], requires_grad=False) if awake else None
    optimizer.step()
    for name in names:
        begun = pushes[name][first_step[name]:step + 1]
        there = adam_path(np.array(start[name]), begun, **settings)[-1]
        if not np.allclose(people[name].data.data, there, rtol=1e-10, atol=1e-12):
            return False
        if len(begun) and not np.array_equal(people[name].grad.data.data, pushes[name][step]):
            return False
return True
