"""The graded cells of module 08 against optimizers that are wrong in the ways people get them wrong.

Each wrong answer runs without an error of its own making; it must lose points in the graded cell that is about
it. Right answers written in another hand must lose none.
"""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from graded_answers import Exercises

GRADIENT_DESCENT = "gradient-descent-function: gradient_descent_step"
ZERO_GRAD, STEP = "optimizer-class: Optimizer.zero_grad", "optimizer-class: Optimizer.step"
DECAY = "optimizer-class: Optimizer.decayed_gradient"
SGD_INIT, SGD_STEP = "sgd-class: SGD.init_state", "sgd-class: SGD.step_param"
MOMENTS, CORRECTION, PATH = (
    "adam-moments: update_moments",
    "adam-correction: correct_bias",
    "adam-path: adam_path",
)
ADAM_INIT, ADAM_STEP = "adam-class: Adam.init_state", "adam-class: Adam.step_param"
SCHEDULE_INIT, EPOCH = "steplr-class: Schedule.__init__", "steplr-class: Schedule.epoch"
SCHEDULE_STEP, FACTOR = "steplr-class: Schedule.step", "steplr-class: StepLR.factor"
FIT_LINE, TRAIN = "training-integration: fit_line", "training-integration: train_simple_model"
HUNT = "bug-hunt: follows_adam"
HUNT_TESTS = ("test-hunt-settings", "test-hunt-decay", "test-hunt-state", "test-hunt-interference")


EXERCISES = Exercises("08_optimizers")
failures, changed = EXERCISES.failures, EXERCISES.changed


def reference() -> dict[str, str]:
    return EXERCISES.reference


NO_DECAY_IN_THE_BASE = {
    DECAY: """
        if hasattr(weight_decay, "apply"):
            return weight_decay.apply(gradient, group, parameter)
        return gradient
        """
}

WRONG = {
    "gradient descent goes uphill": (
        "test-gradient-descent",
        lambda: changed(GRADIENT_DESCENT, ("-=", "+=")),
    ),
    "gradient descent ignores the rate": (
        "test-gradient-descent",
        lambda: changed(GRADIENT_DESCENT, ("learning_rate * gradient", "gradient")),
    ),
    "gradient descent follows the sign only": (
        "test-gradient-descent",
        lambda: changed(GRADIENT_DESCENT, ("* gradient", "* np.sign(gradient)")),
    ),
    "gradient descent refuses only what is not finite throughout": (
        "test-gradient-descent",
        lambda: changed(GRADIENT_DESCENT, ("np.all", "np.any")),
    ),
    "gradient descent moves, then refuses": (
        "test-gradient-descent",
        lambda: {GRADIENT_DESCENT: """
        if parameter.grad is None:
            return
        gradient = parameter.grad.data.data
        with np.errstate(all="ignore"):
            parameter.data.data -= learning_rate * gradient
        if not np.all(np.isfinite(gradient)):
            raise ValueError("the gradient is not finite")
        """},
    ),
    "gradient descent scales the gradient itself": (
        "test-gradient-descent",
        lambda: changed(
            GRADIENT_DESCENT,
            (
                "parameter.data.data -= learning_rate * gradient",
                "gradient *= learning_rate\nparameter.data.data -= gradient",
            ),
        ),
    ),
    "gradient descent clears the gradient": (
        "test-gradient-descent",
        lambda: {GRADIENT_DESCENT: reference()[GRADIENT_DESCENT] + "\nparameter.grad = None"},
    ),
    "gradient descent widens to float64": (
        "test-gradient-descent",
        lambda: changed(
            GRADIENT_DESCENT,
            (
                "parameter.data.data -= learning_rate * gradient",
                "parameter.data = Tensor(parameter.data.data - np.float64(learning_rate) * gradient)",
            ),
        ),
    ),
    "zero_grad fills with zeros": (
        "test-zero-grad",
        lambda: {ZERO_GRAD: """
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.data.data[...] = 0
        """},
    ),
    "zero_grad forgets the other groups": (
        "test-zero-grad",
        lambda: changed(ZERO_GRAD, ("self.parameters", "self.param_groups[0]['parameters']")),
    ),
    "step ends after the first parameter": (
        "test-optimizer",
        lambda: changed(
            STEP, ("self.update(group, parameter)", "self.update(group, parameter)\n            break")
        ),
    ),
    "step moves everything twice": (
        "test-optimizer",
        lambda: changed(
            STEP,
            ("self.update(group, parameter)", "self.update(group, parameter); self.update(group, parameter)"),
        ),
    ),
    "step uses the first group's numbers for all": (
        "test-optimizer",
        lambda: changed(STEP, ("self.update(group", "self.update(self.param_groups[0]")),
    ),
    "step counts updates": (
        "test-optimizer",
        lambda: {STEP: """
        for group in self.param_groups:
            for parameter in group["parameters"]:
                if parameter.grad is not None:
                    self.update(group, parameter)
                    self.step_count += 1
        """},
    ),
    "step counts only where something moved": (
        "test-optimizer",
        lambda: changed(
            STEP,
            ("self.step_count += 1", "self.step_count += any(p.grad is not None for p in self.parameters)"),
        ),
    ),
    "no weight decay": ("test-optimizer", lambda: NO_DECAY_IN_THE_BASE),
    "weight decay with the wrong sign": (
        "test-optimizer",
        lambda: changed(DECAY, ("gradient + weight", "gradient - weight")),
    ),
    "weight decay changes the gradient": (
        "test-optimizer",
        lambda: changed(
            DECAY, ("return gradient + weight_decay * parameter", "gradient += weight_decay * parameter")
        ),
    ),
    "weight decay of another length": (
        "test-optimizer",
        lambda: changed(DECAY, ("weight_decay * parameter", "weight_decay * np.sign(parameter)")),
    ),
    "weight decay copies where there is none": (
        "test-optimizer",
        lambda: changed(DECAY, ("if weight_decay:\n    return", "return")),
    ),
    "SGD without momentum": (
        "test-sgd-momentum",
        lambda: {SGD_STEP: 'parameter -= group["learning_rate"] * gradient'},
    ),
    "SGD with a moving average": (
        "test-sgd-momentum",
        lambda: changed(SGD_STEP, ("velocity += gradient", 'velocity += (1 - group["momentum"]) * gradient')),
    ),
    "SGD with dampening": (
        "test-sgd-momentum",
        lambda: changed(
            SGD_STEP,
            (
                "velocity += gradient",
                'velocity += gradient * (1 if state["update_count"] == 1 else 1 - group["momentum"])',
            ),
        ),
    ),
    "SGD with Nesterov's step": (
        "test-sgd-momentum",
        lambda: changed(
            SGD_STEP,
            (
                "velocity += gradient",
                'velocity += gradient\n    velocity = gradient + group["momentum"] * velocity',
            ),
        ),
    ),
    "SGD with the rate inside the velocity": (
        "test-sgd-momentum",
        lambda: {SGD_STEP: """
        velocity = group["learning_rate"] * gradient
        if group["momentum"]:
            state["momentum_buffer"] *= group["momentum"]
            state["momentum_buffer"] += velocity
            velocity = state["momentum_buffer"]
        parameter -= velocity
        """},
    ),
    "SGD that forgets its velocity": (
        "test-sgd-momentum",
        lambda: changed(
            SGD_STEP,
            (
                'velocity *= group["momentum"]\n    velocity += gradient',
                'velocity = group["momentum"] * velocity + gradient',
            ),
        ),
    ),
    "SGD whose first velocity is the gradient itself": (
        "test-sgd-momentum",
        lambda: changed(
            SGD_STEP,
            (
                'velocity = state["momentum_buffer"]\n    velocity *= group["momentum"]\n'
                "    velocity += gradient",
                'if state["update_count"] == 1:\n        state["momentum_buffer"] = gradient\n    else:\n'
                '        state["momentum_buffer"] *= group["momentum"]\n        state["momentum_buffer"] += gradient\n'
                '    velocity = state["momentum_buffer"]',
            ),
        ),
    ),
    "SGD with the gradient subtracted from the velocity": (
        "test-sgd-momentum",
        lambda: changed(SGD_STEP, ("velocity += gradient", "velocity -= gradient")),
    ),
    "SGD uphill": ("test-sgd-plain", lambda: changed(SGD_STEP, ("parameter -=", "parameter +="))),
    "SGD that moves twice": (
        "test-sgd-plain",
        lambda: {SGD_STEP: reference()[SGD_STEP] + '\nparameter -= group["learning_rate"] * velocity'},
    ),
    "SGD that binds the name instead of moving": (
        "test-sgd-plain",
        lambda: changed(
            SGD_STEP,
            (
                'parameter -= group["learning_rate"] * velocity',
                'parameter = parameter - group["learning_rate"] * velocity',
            ),
        ),
    ),
    "SGD that scales the gradient itself": (
        "test-sgd-plain",
        lambda: {SGD_STEP: """
        if group["momentum"]:
            state["momentum_buffer"] *= group["momentum"]
            state["momentum_buffer"] += gradient
            parameter -= group["learning_rate"] * state["momentum_buffer"]
        else:
            gradient *= group["learning_rate"]
            parameter -= gradient
        """},
    ),
    "SGD that remembers without momentum": (
        "test-sgd-plain",
        lambda: {SGD_INIT: 'state["momentum_buffer"] = np.zeros_like(parameter)'},
    ),
    "SGD with decay after momentum": (
        "test-sgd",
        lambda: NO_DECAY_IN_THE_BASE
        | changed(SGD_STEP, ("* velocity", '* (velocity + group["weight_decay"] * parameter)')),
    ),
    "SGD with decoupled decay": (
        "test-sgd",
        lambda: NO_DECAY_IN_THE_BASE
        | {
            SGD_STEP: 'parameter *= 1 - group["learning_rate"] * group["weight_decay"]\n'
            + reference()[SGD_STEP]
        },
    ),
    "SGD without decay": ("test-sgd", lambda: NO_DECAY_IN_THE_BASE),
    "SGD with one velocity for all": (
        "test-sgd",
        lambda: {SGD_INIT: """
        if group["momentum"]:
            state["momentum_buffer"] = vars(self).setdefault("velocity", np.zeros(3, parameter.dtype))
            if parameter.shape != (3,):
                state["momentum_buffer"] = self.velocity[:2].reshape(parameter.shape)
        """},
    ),
    "SGD with momentum for the first parameter only": (
        "test-sgd",
        lambda: changed(
            SGD_STEP,
            (
                'if group["momentum"]:',
                'first = next(iter(self.momentum_buffers.values()), None)\n'
                'if group["momentum"] and state["momentum_buffer"] is first:',
            ),
        ),
    ),
    "SGD with velocities in float64": (
        "test-sgd",
        lambda: changed(SGD_INIT, ("np.zeros_like(parameter)", "np.zeros(parameter.shape)")),
    ),
    "SGD that replaces its velocity": (
        "test-sgd",
        lambda: changed(
            SGD_STEP,
            (
                'velocity *= group["momentum"]\n    velocity += gradient',
                'state["momentum_buffer"] = velocity = group["momentum"] * velocity + gradient',
            ),
        ),
    ),
    "first moment with the whole gradient": (
        "test-adam-moments",
        lambda: changed(MOMENTS, ("(1 - beta1) * g", "g")),
    ),
    "second moment without the square": ("test-adam-moments", lambda: changed(MOMENTS, ("g**2", "g"))),
    "second moment from the first": ("test-adam-moments", lambda: changed(MOMENTS, ("g**2", "m**2"))),
    "moments with swapped betas": (
        "test-adam-moments",
        lambda: changed(
            MOMENTS,
            ("beta1 * m + (1 - beta1)", "beta2 * m + (1 - beta2)"),
            ("beta2 * v + (1 - beta2)", "beta1 * v + (1 - beta1)"),
        ),
    ),
    "moments changed in place": (
        "test-adam-moments",
        lambda: {
            MOMENTS: "m *= beta1\nm += (1 - beta1) * g\nv *= beta2\nv += (1 - beta2) * g**2\nreturn m, v"
        },
    ),
    "correction without the power": (
        "test-adam-correction",
        lambda: changed(CORRECTION, ("beta**t", "beta")),
    ),
    "correction with t times beta": (
        "test-adam-correction",
        lambda: changed(CORRECTION, ("beta**t", "beta * t")),
    ),
    "correction multiplied": ("test-adam-correction", lambda: changed(CORRECTION, ("/", "*"))),
    "path without correction": (
        "test-adam-path",
        lambda: changed(PATH, ("correct_bias(m, beta1, t), correct_bias(v, beta2, t)", "m, v")),
    ),
    "path with epsilon inside the root": (
        "test-adam-path",
        lambda: changed(PATH, ("np.sqrt(v_hat) + epsilon", "np.sqrt(v_hat + epsilon)")),
    ),
    "path without the decayed gradient": (
        "test-adam-path",
        lambda: changed(PATH, ("(m, v, g,", "(m, v, gradient,")),
    ),
    "Adam without correction": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("m / (1 - beta1**t)", "m"), ("v / (1 - beta2**t)", "v")),
    ),
    "Adam that corrects only the first moment": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("v / (1 - beta2**t)", "v")),
    ),
    "Adam that corrects only the second moment": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("m / (1 - beta1**t)", "m")),
    ),
    "Adam with epsilon inside the root": (
        "test-adam",
        lambda: changed(
            ADAM_STEP, ('(np.sqrt(v_hat) + group["epsilon"])', 'np.sqrt(v_hat + group["epsilon"])')
        ),
    ),
    "Adam with epsilon before the correction": (
        "test-adam",
        lambda: changed(
            ADAM_STEP,
            (
                '(np.sqrt(v_hat) + group["epsilon"])',
                '((np.sqrt(v) + group["epsilon"]) / np.sqrt(1 - beta2**t))',
            ),
        ),
    ),
    "Adam without epsilon": (
        "test-adam",
        lambda: changed(
            ADAM_STEP, ('(np.sqrt(v_hat) + group["epsilon"])', "np.maximum(np.sqrt(v_hat), 1e-30)")
        ),
    ),
    "Adam with one t for all parameters": (
        "test-adam",
        lambda: changed(ADAM_STEP, ('state["update_count"]', "self.step_count + 1")),
    ),
    "Adam with t one too large": (
        "test-adam",
        lambda: changed(ADAM_STEP, ('state["update_count"]', 'state["update_count"] + 1')),
    ),
    "Adam with t stuck at 1": ("test-adam", lambda: changed(ADAM_STEP, ('state["update_count"]', "1"))),
    "Adam with swapped betas": (
        "test-adam",
        lambda: changed(ADAM_STEP, ('group["beta1"], group["beta2"]', 'group["beta2"], group["beta1"]')),
    ),
    "Adam with the usual betas always": (
        "test-adam",
        lambda: changed(ADAM_STEP, ('group["beta1"], group["beta2"]', "0.9, 0.999")),
    ),
    "AdamW": (
        "test-adam",
        lambda: NO_DECAY_IN_THE_BASE
        | {
            ADAM_STEP: 'parameter *= 1 - group["learning_rate"] * group["weight_decay"]\n'
            + reference()[ADAM_STEP]
        },
    ),
    "Adam with decay after the moments": (
        "test-adam",
        lambda: NO_DECAY_IN_THE_BASE
        | {
            ADAM_STEP: reference()[ADAM_STEP].replace(
                'parameter -= group["learning_rate"] * m_hat',
                """
m_hat = m_hat + group["weight_decay"] * parameter
parameter -= group["learning_rate"] * m_hat""",
            )
        },
    ),
    "Adam without decay": ("test-adam", lambda: NO_DECAY_IN_THE_BASE),
    "Adam with |g| for g squared": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("gradient**2", "np.abs(gradient)")),
    ),
    "Adam whose v is made of m": ("test-adam", lambda: changed(ADAM_STEP, ("gradient**2", "m**2"))),
    "Adam with a heavy ball for m": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("(1 - beta1) * gradient", "gradient")),
    ),
    "AMSGrad": (
        "test-adam",
        lambda: changed(
            ADAM_STEP,
            (
                "v_hat = v / (1 - beta2**t)",
                "v_hat = v / (1 - beta2**t)\n"
                'v_hat = state["largest"] = np.maximum(state.get("largest", 0), v_hat)',
            ),
        ),
    ),
    "Adam that leaves v alone where the gradient is 0": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("v *= beta2", "v *= np.where(gradient == 0, 1, beta2).astype(v.dtype)")),
    ),
    "Adam that corrects the stored moments": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("m_hat = m / (1 - beta1**t)", "m /= 1 - beta1**t\nm_hat = m")),
    ),
    "Adam that binds the name instead of moving": (
        "test-adam",
        lambda: changed(ADAM_STEP, ("parameter -= group", "parameter = parameter - group")),
    ),
    "Adam with moments in float64": (
        "test-adam",
        lambda: {ADAM_INIT: """
        state["first_moment"] = np.zeros(parameter.shape)
        state["second_moment"] = np.zeros(parameter.shape)
        """},
    ),
    "Adam that replaces its moments": (
        "test-adam",
        lambda: changed(
            ADAM_STEP,
            (
                "m *= beta1\nm += (1 - beta1) * gradient",
                'm = state["first_moment"] = beta1 * m + (1 - beta1) * gradient',
            ),
        ),
    ),
    "Adam that squares the gradient in place": (
        "test-adam",
        lambda: changed(
            ADAM_STEP, ("v += (1 - beta2) * gradient**2", "gradient *= gradient\nv += (1 - beta2) * gradient")
        ),
    ),
    "Adam with the rate of the first group": (
        "test-adam",
        lambda: changed(ADAM_STEP, ('group["learning_rate"]', "self.learning_rate")),
    ),
    "Adam uphill": ("test-adam", lambda: changed(ADAM_STEP, ("parameter -=", "parameter +="))),
    "StepLR that counts k // step_size": ("test-scheduler", lambda: {EPOCH: "return self.step_count"}),
    "StepLR with a negative epoch before the first": (
        "test-scheduler",
        lambda: {EPOCH: "return self.step_count - 1"},
    ),
    "StepLR that decays the present rate": (
        "test-scheduler",
        lambda: changed(SCHEDULE_STEP, ("= initial *", '= group["learning_rate"] *')),
    ),
    "StepLR that decays at every multiple": (
        "test-scheduler",
        lambda: {SCHEDULE_STEP: """
        self.step_count += 1
        for group in self.optimizer.param_groups:
            if self.step_count > 1 and (self.step_count - 1) % self.step_size == 0:
                group["learning_rate"] *= self.gamma
        """},
    ),
    "StepLR for the first group only": (
        "test-scheduler",
        lambda: changed(SCHEDULE_STEP, ("self.optimizer.param_groups", "self.optimizer.param_groups[:1]")),
    ),
    "StepLR with the first rate for all groups": (
        "test-scheduler",
        lambda: changed(SCHEDULE_STEP, ("= initial *", "= self.initial_lr *")),
    ),
    "StepLR whose constructor steps": (
        "test-scheduler",
        lambda: {SCHEDULE_INIT: reference()[SCHEDULE_INIT] + "\nself.step_count = 1"},
    ),
    "StepLR whose constructor lowers the rate": (
        "test-scheduler",
        lambda: {
            SCHEDULE_INIT: reference()[SCHEDULE_INIT]
            + "\noptimizer.learning_rate = 0.5 * optimizer.learning_rate"
        },
    ),
    "exponential decay for StepLR": (
        "test-scheduler",
        lambda: {FACTOR: "return self.gamma ** (epoch / self.step_size)"},
    ),
    "linear decay for StepLR": (
        "test-scheduler",
        lambda: {FACTOR: "return self.gamma * (epoch // self.step_size) or 1.0"},
    ),
    "training that ignores the schedule": (
        "test-training-integration",
        lambda: changed(FIT_LINE, ("schedule.step()", "pass")),
    ),
    "training with the schedule at the end of an epoch": (
        "test-training-integration",
        lambda: changed(
            FIT_LINE,
            ("    schedule.step()\n", ""),
            ("        optimizer.step()", "        optimizer.step()\n    schedule.step()"),
        ),
    ),
    "training with the schedule at every example": (
        "test-training-integration",
        lambda: changed(
            FIT_LINE,
            ("    schedule.step()\n", ""),
            ("        optimizer.step()", "        optimizer.step()\n        schedule.step()"),
        ),
    ),
    "training without zero_grad": (
        "test-training-integration",
        lambda: changed(FIT_LINE, ("optimizer.zero_grad()", "pass")),
    ),
    "training that clears before it moves": (
        "test-training-integration",
        lambda: changed(
            FIT_LINE,
            (
                "optimizer.zero_grad()\n        loss.backward()",
                "loss.backward()\n        optimizer.zero_grad()",
            ),
        ),
    ),
    "training on the absolute error": (
        "test-training-integration",
        lambda: changed(FIT_LINE, ("multiply(error, error)", "error if error.data.item() > 0 else -error")),
    ),
    "training backwards through the data": (
        "test-training-integration",
        lambda: changed(FIT_LINE, ("zip(x_data, y_data)", "zip(x_data[::-1], y_data[::-1])")),
    ),
    "training that knows the answer": (
        "test-training-integration",
        lambda: {TRAIN: "return 2.0, 1.0, 1.96473, 1.12366"},
    ),
    "training that ignores the data": (
        "test-training-integration",
        lambda: {
            TRAIN: "x_data, y_data = [1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 5.0, 7.0, 9.0, 11.0]\n"
            + reference()[TRAIN]
        },
    ),
    "training with one optimizer for both": (
        "test-training-integration",
        lambda: changed(
            TRAIN,
            (
                "adam = Adam([adam_w, adam_b], learning_rate=0.1)",
                "adam = SGD([adam_w, adam_b], 0.01, momentum=0.9)",
            ),
        ),
    ),
    "training with one schedule for both": (
        "test-training-integration",
        lambda: changed(
            TRAIN,
            (
                "fit_line(sgd_w, sgd_b, sgd, scheduler(sgd, step_size=30, gamma=0.5)",
                "shared = scheduler(sgd, step_size=30, gamma=0.5)\nfit_line(sgd_w, sgd_b, sgd, shared",
            ),
            ("scheduler(adam, step_size=30, gamma=0.5)", "shared"),
        ),
    ),
    "training Adam on from where SGD ended": (
        "test-training-integration",
        lambda: changed(TRAIN, ("adam = Adam(", "adam_w, adam_b = sgd_w, sgd_b\nadam = Adam(")),
    ),
    "training that names its own schedule": (
        "test-training-integration",
        lambda: {TRAIN: reference()[TRAIN].replace("scheduler(", "StepLR(")},
    ),
    "a check that always says yes": (HUNT_TESTS, lambda: {HUNT: "return True"}),
    "a check that always says no": (HUNT_TESTS, lambda: {HUNT: "return False"}),
    "a check of one step": (
        "test-hunt-settings",
        lambda: changed(
            HUNT,
            ("size=(6, 2, 3)", "size=(1, 2, 3)"),
            ("step >= 2", "True"),
            ("gradients[2:, 1]", "gradients[:, 1]"),
        ),
    ),
    "a check that asks for Adam's usual numbers": (
        "test-hunt-settings",
        lambda: changed(
            HUNT,
            ("**settings)\nfor", "learning_rate=0.1)\nfor"),
            ("adam_path(start, g, **settings)", "adam_path(start, g, 0.1)"),
        ),
    ),
    "a check with a constant gradient": (
        "test-hunt-settings",
        lambda: changed(
            HUNT, ("gradients[:, :, 0] = 0.0", "gradients[...] = 1.0\nsettings['weight_decay'] = 0.0")
        ),
    ),
    "a check without a late gradient": (
        "test-hunt-state",
        lambda: changed(HUNT, ("step >= 2", "True"), ("gradients[2:, 1]", "gradients[:, 1]")),
    ),
    "a check of the first parameter only": (
        "test-hunt-state",
        lambda: changed(
            HUNT,
            (
                "np.allclose([early.data.data, late.data.data], expected)",
                "np.allclose(early.data.data, expected[0])",
            ),
        ),
    ),
    "a check without an idle coordinate": (
        "test-hunt-decay",
        lambda: changed(HUNT, ("gradients[:, :, 0] = 0.0", "pass")),
    ),
    "a check that does not look at the gradients": (
        "test-hunt-interference",
        lambda: changed(HUNT, ("if not all(", "if False and not all(")),
    ),
}


def test_the_reference_loses_no_point():
    assert failures({}) == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_loses_points_where_it_should(name):
    graded, make = WRONG[name]
    graded = (graded,) if isinstance(graded, str) else graded
    raised = failures(make(), graded)
    assert raised.keys() == set(graded)
    for error in raised.values():
        assert isinstance(error, AssertionError), f"the answer does not run: {error!r}"
        assert "expected" in str(error) and "\n" not in str(error)


RIGHT = {
    "gradient descent that assigns a new Tensor": lambda: changed(
        GRADIENT_DESCENT,
        (
            "parameter.data.data -= learning_rate * gradient",
            "parameter.data = Tensor(parameter.data.data - learning_rate * gradient)",
        ),
    ),
    "gradient descent by Tensor arithmetic": lambda: changed(
        GRADIENT_DESCENT,
        (
            "parameter.data.data -= learning_rate * gradient",
            "parameter.data = parameter.data - learning_rate * parameter.grad.data",
        ),
    ),
    "a velocity written through a slice": lambda: changed(
        SGD_STEP,
        (
            'velocity *= group["momentum"]\n    velocity += gradient',
            'velocity[...] = group["momentum"] * velocity + gradient',
        ),
    ),
    "Adam in one expression": lambda: {ADAM_STEP: """
        b1, b2, t = group["beta1"], group["beta2"], state["update_count"]
        state["first_moment"][...] = b1 * state["first_moment"] + (1 - b1) * gradient
        state["second_moment"][...] = b2 * state["second_moment"] + (1 - b2) * np.square(gradient)
        rate = group["learning_rate"] / (1 - b1**t)
        parameter[...] = parameter - rate * state["first_moment"] / (
            np.sqrt(state["second_moment"] / (1 - b2**t)) + group["epsilon"])
        """},
    "a loop over indices": lambda: {STEP: """
        self.step_count += 1
        for group in self.param_groups:
            for i in range(len(group["parameters"])):
                parameter = group["parameters"][i]
                if parameter.grad is None:
                    continue
                self.update(group, parameter)
        """},
    "a line fitted with operators": lambda: changed(
        FIT_LINE,
        ("prediction = add(multiply(w, x), b)", "prediction = w * x + b"),
        ("subtract(prediction, y)", "y - prediction"),
        ("multiply(error, error)", "error ** 2"),
    ),
    "a bug hunt with numbers of its own": lambda: {HUNT: """
        starts = [np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.25, 4.0, -1.0, -3.0])]
        waves = [np.array([0.0, np.sin(k), k - 4.0, 5.0 * np.cos(3 * k)]) for k in range(8)]
        parameters = [Variable(start) for start in starts]
        optimizer = make_optimizer(parameters, **settings)
        for k, wave in enumerate(waves):
            optimizer.zero_grad()
            parameters[0].grad = Variable(wave)
            if k > 2:
                parameters[1].grad = Variable(-2 * wave)
            optimizer.step()
            if list(parameters[0].grad.data.data) != list(wave):
                return False
            if k > 2 and list(parameters[1].grad.data.data) != list(-2 * wave):
                return False
        first = adam_path(starts[0], waves, **settings)[-1]
        second = adam_path(starts[1], [-2 * wave for wave in waves[3:]], **settings)[-1]
        return bool(np.abs(parameters[0].data.data - first).max() < 1e-9
                    and np.abs(parameters[1].data.data - second).max() < 1e-9)
        """},
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_in_another_hand_loses_none(name):
    assert failures(RIGHT[name]()) == {}


def test_blank_answers_score_nothing_and_say_which_exercise_waits():
    raised = failures(EXERCISES.blank)
    assert raised.keys() == EXERCISES.points.keys()
    for error in raised.values():
        assert isinstance(error, NotImplementedError) and "exercise '" in str(error)


def test_the_points_of_the_issue():
    points = EXERCISES.points
    assert (
        points.items()
        >= {
            "test-gradient-descent": 10,
            "test-sgd": 15,
            "test-adam": 20,
            "test-scheduler": 10,
            "test-training-integration": 15,
        }.items()
    )
    assert sum(points.values()) == 118
