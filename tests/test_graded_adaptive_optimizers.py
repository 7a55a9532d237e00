"""The graded cells of module 10 against answers that are wrong in the ways people get them wrong.

Each wrong answer runs without an error of its own making; it must lose points in the graded cell that is
about it. Right answers written in another hand must lose none.
"""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from graded_answers import Exercises

MEAN, EWMA = "moving-average: moving_average.stream", "ewma: ewma.stream"
MOMENTUM = "momentum-sgd: MomentumSGD.step_param"
MOMENTUM_TESTS = (
    "test-momentum-dampening",
    "test-momentum-nesterov",
    "test-momentum-average",
    "test-momentum-sgd",
)
ADAGRAD, RMSPROP = "adagrad: AdaGrad.step_param", "rmsprop: RMSprop.step_param"
PARTS = "adam-from-parts: UncorrectedAdam.step_param"
BUFFERS, AMSGRAD = "amsgrad: AMSGrad.buffers", "amsgrad: AMSGrad.step_param"
NADAM, RADAM = "nadam: NAdam.step_param", "radam: RAdam.step_param"
DECAY, ADAMW = "weight-decay: WeightDecay.apply", "adamw: AdamW.decayed_gradient"
EXPONENTIAL, COSINE = "schedules: ExponentialLR.factor", "schedules: CosineAnnealingLR.factor"
WARMUP, CYCLE = "schedules: LinearWarmup.factor", "schedules: OneCycleLR.factor"
FRACTION, PLATEAU = "plateau: ReduceLROnPlateau.factor", "plateau: ReduceLROnPlateau.step"
SEQUENCE = "sequential: SequentialLR.factor"
RANGE, DECADE = "rate-finder: range_test", "rate-finder: steepest_decade"
EXPERIMENT, DIAGNOSE = "adaptive-hunt: experiment", "adaptive-hunt: diagnose"
HUNT_TESTS = ("test-hunt-adamw", "test-hunt-momentum", "test-hunt-strangers")

EXERCISES = Exercises("10_adaptive_optimizers")
failures, changed = EXERCISES.failures, EXERCISES.changed

WRONG = {
    "a running mean that divides from 0 on": (
        "test-moving-average",
        lambda: changed(MEAN, ("start=1", "start=2")),
    ),
    "a running mean that forgets what it had": (
        "test-moving-average",
        lambda: {MEAN: "for i, value in enumerate(values, start=1):\n    yield value / i"},
    ),
    "a running mean that reads everything first": (
        "test-moving-average",
        lambda: {
            MEAN: """
        values = list(values)
        for i in range(1, len(values) + 1):
            yield sum(values[1:i], values[0]) / i
        """
        },
    ),
    "a running mean that keeps every value": (
        "test-moving-average",
        lambda: {
            MEAN: """
        kept = []
        for value in values:
            kept.append(value)
            yield sum(kept[1:], kept[0]) / len(kept)
        """
        },
    ),
    "a running mean in one array that is changed": (
        "test-moving-average",
        lambda: {
            MEAN: """
        mean = None
        for i, value in enumerate(values, start=1):
            if mean is None:
                mean = value * np.ones_like(value)
            else:
                mean += (value - mean) / i
            yield mean
        """
        },
    ),
    "a running mean that changes what it was given": (
        "test-moving-average",
        lambda: {
            MEAN: """
        mean = None
        for i, value in enumerate(values, start=1):
            if mean is None:
                mean = value
            else:
                mean += (value - mean) / i
            yield mean
        """
        },
    ),
    "a running mean of the last two": (
        "test-moving-average",
        lambda: {
            MEAN: """
        last = None
        for value in values:
            yield value if last is None else (value + last) / 2
            last = value
        """
        },
    ),
    "an average with beta at the new value": (
        "test-ewma",
        lambda: changed(EWMA, ("beta * average + (1 - beta) * value", "(1 - beta) * average + beta * value")),
    ),
    "an average that is a heavy ball": (
        "test-ewma",
        lambda: changed(EWMA, ("(1 - beta) * value", "value")),
    ),
    "an average that starts at the first value": (
        "test-ewma",
        lambda: {
            EWMA: """
        average = None
        for i, value in enumerate(values, start=1):
            average = value if average is None else beta * average + (1 - beta) * value
            yield average
        """
        },
    ),
    "an average that is always debiased": (
        "test-ewma",
        lambda: changed(EWMA, (" if debias else average", "")),
    ),
    "an average in one array that is changed": (
        "test-ewma",
        lambda: {
            EWMA: """
        average = 0.0
        for i, value in enumerate(values, start=1):
            average *= beta
            average += (1 - beta) * value
            yield average / (1 - beta**i) if debias else average
        """
        },
    ),
    "an average that reads everything first": (
        "test-ewma",
        lambda: changed(EWMA, ("enumerate(values", "enumerate(list(values)")),
    ),
    "a correction that is never made": (
        "test-ewma-debias",
        lambda: changed(EWMA, (" / (1 - beta**i) if debias else average", "")),
    ),
    "a correction with the count from 0, shifted to avoid dividing by 0": (
        "test-ewma-debias",
        lambda: changed(EWMA, ("1 - beta**i", "1 - beta**(i + 1)")),
    ),
    "a correction with the first power": (
        "test-ewma-debias",
        lambda: changed(EWMA, ("1 - beta**i", "1 - beta")),
    ),
    "a correction of what is carried on": (
        "test-ewma-debias",
        lambda: {
            EWMA: """
        average = 0.0
        for i, value in enumerate(values, start=1):
            average = beta * average + (1 - beta) * value
            if debias:
                average = average / (1 - beta**i)
            yield average
        """
        },
    ),
    "a correction by i": (
        "test-ewma-debias",
        lambda: changed(EWMA, ("1 - beta**i", "1 - beta * i if beta * i != 1 else 1")),
    ),
    "a first buffer that is dampened too": (
        "test-momentum-dampening",
        lambda: changed(MOMENTUM, (" * (t > 1)", "")),
    ),
    "dampening that is not applied": (
        "test-momentum-dampening",
        lambda: changed(MOMENTUM, ('1 - group["dampening"] * (t > 1)', "1")),
    ),
    "dampening for the gradient's weight": (
        "test-momentum-dampening",
        lambda: changed(
            MOMENTUM, ('1 - group["dampening"] * (t > 1)', '(group["dampening"] if t > 1 else 1)')
        ),
    ),
    "dampening of the old buffer": (
        "test-momentum-dampening",
        lambda: changed(
            MOMENTUM,
            ('1 - group["dampening"] * (t > 1)', "1"),
            ("b *= mu", 'b *= mu * (1 - group["dampening"])'),
        ),
    ),
    "dampening counted by the optimizer's steps": (
        "test-momentum-dampening",
        lambda: changed(MOMENTUM, ("(t > 1)", "(self.step_count > 0)")),
    ),
    "Nesterov's step with the buffer of before": (
        "test-momentum-nesterov",
        lambda: {
            MOMENTUM: "before = b.copy()\n"
            + EXERCISES.reference[MOMENTUM].replace("gradient + mu * b", "gradient + mu * before")
        },
    ),
    "Nesterov's step without the gradient": (
        "test-momentum-nesterov",
        lambda: changed(MOMENTUM, ("gradient + mu * b", "mu * b")),
    ),
    "Nesterov's step with the whole buffer": (
        "test-momentum-nesterov",
        lambda: changed(MOMENTUM, ("gradient + mu * b", "gradient + b")),
    ),
    "Nesterov's direction kept as the buffer": (
        "test-momentum-nesterov",
        lambda: {MOMENTUM: EXERCISES.reference[MOMENTUM] + '\nif group["nesterov"]:\n    b[...] = direction'},
    ),
    "Nesterov ignored": (
        "test-momentum-nesterov",
        lambda: changed(MOMENTUM, ('gradient + mu * b if group["nesterov"] else b', "b")),
    ),
    "an average that starts with the gradient itself": (
        "test-momentum-average",
        lambda: changed(
            MOMENTUM, ('1 - mu if group["average"]', '(1 - mu if t > 1 else 1) if group["average"]')
        ),
    ),
    "an average with the gradient's whole weight": (
        "test-momentum-average",
        lambda: changed(MOMENTUM, ('1 - mu if group["average"]', '1 if group["average"]')),
    ),
    "momentum debiased by the first power": (
        "test-momentum-average",
        lambda: changed(MOMENTUM, ("1 - mu**t", "1 - mu")),
    ),
    "momentum debiased by the count of before": (
        "test-momentum-average",
        lambda: changed(MOMENTUM, ("1 - mu**t", "1 - mu**(t + 1)")),
    ),
    "momentum always debiased": (
        "test-momentum-average",
        lambda: changed(MOMENTUM, (' if group["debias"] else group["learning_rate"]', "")),
    ),
    "a buffer that is corrected itself": (
        "test-momentum-average",
        lambda: {
            MOMENTUM: EXERCISES.reference[MOMENTUM].replace(
                'rate = group["learning_rate"] / (1 - mu**t) if group["debias"] else group["learning_rate"]',
                'rate = group["learning_rate"]\nif group["debias"]:\n    b /= 1 - mu**t',
            )
        },
    ),
    "momentum uphill": (MOMENTUM_TESTS, lambda: changed(MOMENTUM, ("parameter -=", "parameter +="))),
    "momentum that binds the name": (
        MOMENTUM_TESTS,
        lambda: changed(MOMENTUM, ("parameter -= rate", "parameter = parameter - rate")),
    ),
    "momentum with the rate in the buffer": (
        "test-momentum-dampening",
        lambda: changed(
            MOMENTUM,
            ("b += weight * gradient", 'b += group["learning_rate"] * weight * gradient'),
            (
                'rate = group["learning_rate"] / (1 - mu**t) if group["debias"] else group["learning_rate"]',
                'rate = 1 / (1 - mu**t) if group["debias"] else 1',
            ),
        ),
    ),
    "momentum that forgets its buffer": (
        MOMENTUM_TESTS,
        lambda: changed(MOMENTUM, ("b *= mu\nb += weight * gradient", "b = mu * b + weight * gradient")),
    ),
    "momentum whose first buffer is the gradient's own array": (
        "test-momentum-dampening",
        lambda: changed(
            MOMENTUM,
            (
                "b *= mu\nb += weight * gradient",
                'if t == 1:\n    b = state["momentum_buffer"] = gradient\n'
                "else:\n    b *= mu\n    b += weight * gradient",
            ),
        ),
    ),
    "momentum that scales the gradient itself": (
        "test-momentum-dampening",
        lambda: changed(MOMENTUM, ("b += weight * gradient", "gradient *= weight\nb += gradient")),
    ),
    "momentum that counts updates from before there was any": (
        "test-momentum-sgd",
        lambda: changed(MOMENTUM, ("mu**t", 'mu ** state["update_count"]')),
    ),
    "AdaGrad without the root": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ("np.sqrt(s)", "s")),
    ),
    "AdaGrad with epsilon inside the root": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ('np.sqrt(s) + group["epsilon"]', 'np.sqrt(s + group["epsilon"])')),
    ),
    "AdaGrad that adds epsilon to the parameter": (
        "test-adagrad",
        lambda: changed(
            ADAGRAD, ('(np.sqrt(s) + group["epsilon"])', 'np.maximum(np.sqrt(s), 1e-30) + group["epsilon"]')
        ),
    ),
    "AdaGrad that sums sizes": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ("gradient**2", "np.abs(gradient)")),
    ),
    "AdaGrad that sums after its step": (
        "test-adagrad",
        lambda: {
            ADAGRAD: """
        s = state["sum_of_squares"]
        parameter -= group["learning_rate"] * gradient / (np.sqrt(s) + group["epsilon"])
        s += gradient**2
        """
        },
    ),
    "AdaGrad with a mean for the sum": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ("np.sqrt(s)", 'np.sqrt(s / state["update_count"])')),
    ),
    "AdaGrad that forgets its sum": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ("s += gradient**2", "s = s + gradient**2")),
    ),
    "AdaGrad with one sum for all coordinates": (
        "test-adagrad",
        lambda: changed(ADAGRAD, ("s += gradient**2", "s += np.sum(gradient**2)")),
    ),
    "RMSprop that corrects its average": (
        "test-rmsprop",
        lambda: changed(
            RMSPROP, ("np.sqrt(v)", 'np.sqrt(v / (1 - group["alpha"] ** state["update_count"]))')
        ),
    ),
    "RMSprop with epsilon inside the root": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ('np.sqrt(v) + group["epsilon"]', 'np.sqrt(v + group["epsilon"])')),
    ),
    "RMSprop that sums like AdaGrad": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ('update_average(v, gradient**2, group["alpha"])', "v += gradient**2")),
    ),
    "RMSprop that averages sizes": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("gradient**2", "np.abs(gradient)")),
    ),
    "RMSprop that steps along the average": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("step = gradient /", 'step = (m if group["centered"] else gradient) /')),
    ),
    "RMSprop centered without the square": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("v - m**2", "v - np.abs(m)")),
    ),
    "RMSprop whose variance may be negative": (
        "test-rmsprop",
        lambda: {
            RMSPROP: EXERCISES.reference[RMSPROP]
            .replace("np.maximum(v - m**2, 0)", "v - m**2")
            .replace(
                "step = gradient",
                'with np.errstate(invalid="ignore"):\n    root = np.sqrt(v)\nstep = gradient',
            )
            .replace("np.sqrt(v) +", "root +")
        },
    ),
    "RMSprop whose variance replaces the average square": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("v = np.maximum(v - m**2, 0)", "v[...] = np.maximum(v - m**2, 0)")),
    ),
    "RMSprop with alpha and 1 - alpha exchanged": (
        "test-rmsprop",
        lambda: changed(
            RMSPROP,
            (
                'update_average(v, gradient**2, group["alpha"])',
                'update_average(v, gradient**2, 1 - group["alpha"])',
            ),
        ),
    ),
    "RMSprop with momentum on the gradient": (
        "test-rmsprop",
        lambda: {
            RMSPROP: """
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += gradient
        v = state["second_moment"]
        update_average(v, gradient**2, group["alpha"])
        if group["centered"]:
            m = state["first_moment"]
            update_average(m, gradient, group["alpha"])
            v = np.maximum(v - m**2, 0)
        step = (b if group["momentum"] else gradient) / (np.sqrt(v) + group["epsilon"])
        parameter -= group["learning_rate"] * step
        """
        },
    ),
    "RMSprop with the rate in the buffer, and the rate again": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("b += step", 'b += group["learning_rate"] * step')),
    ),
    "RMSprop with Nesterov's step": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ("step = b", 'step = step + group["momentum"] * b')),
    ),
    "RMSprop that replaces its average": (
        "test-rmsprop",
        lambda: changed(
            RMSPROP,
            (
                'update_average(v, gradient**2, group["alpha"])',
                'a = group["alpha"]\nv = state["second_moment"] = a * v + (1 - a) * gradient**2',
            ),
        ),
    ),
    "RMSprop with the rate of the first group": (
        "test-rmsprop",
        lambda: changed(RMSPROP, ('group["learning_rate"]', "self.learning_rate")),
    ),
    "Adam from parts, corrected after all": (
        "test-adam-from-parts",
        lambda: changed(PARTS, ("* m /", '* m / (1 - group["beta1"] ** state["update_count"]) /')),
    ),
    "Adam from parts with swapped betas": (
        "test-adam-from-parts",
        lambda: changed(
            PARTS,
            ('gradient, group["beta1"]', 'gradient, group["beta2"]'),
            ('gradient**2, group["beta2"]', 'gradient**2, group["beta1"]'),
        ),
    ),
    "Adam from parts with a heavy ball": (
        "test-adam-from-parts",
        lambda: changed(
            PARTS, ('update_average(m, gradient, group["beta1"])', 'm *= group["beta1"]\nm += gradient')
        ),
    ),
    "Adam from parts with the squares of the average": (
        "test-adam-from-parts",
        lambda: changed(PARTS, ("gradient**2", "m**2")),
    ),
    "Adam for AMSGrad": (
        "test-amsgrad",
        lambda: changed(AMSGRAD, ("v_hat = largest /", "v_hat = v /")),
    ),
    "AMSGrad that forgets its maximum": (
        "test-amsgrad",
        lambda: changed(AMSGRAD, ("np.maximum(largest, v, out=largest)", "largest = np.maximum(largest, v)")),
    ),
    "AMSGrad with the maximum of corrected averages": (
        "test-amsgrad",
        lambda: changed(
            AMSGRAD,
            (
                "np.maximum(largest, v, out=largest)",
                'np.maximum(largest, v / (1 - group["beta2"] ** t), out=largest)',
            ),
            ('v_hat = largest / (1 - group["beta2"] ** t)', "v_hat = largest"),
        ),
    ),
    "AMSGrad that never corrects the maximum": (
        "test-amsgrad",
        lambda: changed(AMSGRAD, ('v_hat = largest / (1 - group["beta2"] ** t)', "v_hat = largest")),
    ),
    "AMSGrad with the maximum of squares": (
        "test-amsgrad",
        lambda: changed(AMSGRAD, ("np.maximum(largest, v,", "np.maximum(largest, gradient**2,")),
    ),
    "AMSGrad that keeps the maximum as its average": (
        "test-amsgrad",
        lambda: changed(
            AMSGRAD,
            ("np.maximum(largest, v, out=largest)", "np.maximum(largest, v, out=largest)\nv[...] = largest"),
        ),
    ),
    "AMSGrad with the smallest average": (
        "test-amsgrad",
        lambda: changed(
            AMSGRAD,
            ("np.maximum(largest, v, out=largest)", "largest[...] = v if t == 1 else np.minimum(largest, v)"),
        ),
    ),
    "AMSGrad with one t for all parameters": (
        "test-amsgrad",
        lambda: changed(AMSGRAD, ('state["update_count"]', "self.step_count + 1")),
    ),
    "NAdam with one t for all parameters": (
        "test-nadam",
        lambda: changed(NADAM, ('state["update_count"]', "self.step_count + 1")),
    ),
    "RAdam with one t for all parameters": (
        "test-radam",
        lambda: changed(RADAM, ('state["update_count"]', "self.step_count + 1")),
    ),
    "NAdam with one product for all parameters": (
        "test-nadam",
        lambda: changed(
            NADAM,
            (
                'product = state["momentum_product"] = state["momentum_product"] * mu',
                'self.product = product = getattr(self, "product", 1.0) * mu\n'
                'state["momentum_product"] = product',
            ),
        ),
    ),
    "Adam for NAdam": (
        "test-nadam",
        lambda: changed(
            NADAM,
            (
                "m_hat = (1 - mu) / (1 - product) * gradient + next_mu / (1 - product * next_mu) * m",
                'm_hat = m / (1 - group["beta1"] ** t)',
            ),
        ),
    ),
    "NAdam with a constant momentum": (
        "test-nadam",
        lambda: changed(
            NADAM, ("mu, next_mu = momentum_at(t), momentum_at(t + 1)", 'mu = next_mu = group["beta1"]')
        ),
    ),
    "NAdam that looks at its present momentum": (
        "test-nadam",
        lambda: changed(NADAM, ("momentum_at(t + 1)", "momentum_at(t)")),
    ),
    "NAdam with t from 0": (
        "test-nadam",
        lambda: changed(NADAM, ("momentum_at(t), momentum_at(t + 1)", "momentum_at(t - 1), momentum_at(t)")),
    ),
    "NAdam that forgets its product": (
        "test-nadam",
        lambda: changed(NADAM, ('product = state["momentum_product"] = state', "product = state")),
    ),
    "NAdam with a power for the product": (
        "test-nadam",
        lambda: changed(
            NADAM,
            (
                'product = state["momentum_product"] = state["momentum_product"] * mu',
                'product = state["momentum_product"] = mu**t',
            ),
        ),
    ),
    "NAdam with one correction for both": (
        "test-nadam",
        lambda: changed(NADAM, ("(1 - product * next_mu)", "(1 - product)")),
    ),
    "NAdam without correction of the squares": (
        "test-nadam",
        lambda: changed(NADAM, ('v_hat = v / (1 - group["beta2"] ** t)', "v_hat = v")),
    ),
    "NAdam with the average of momenta": (
        "test-nadam",
        lambda: changed(
            NADAM,
            ('update_average(m, gradient, group["beta1"])', "update_average(m, gradient, momentum_at(t))"),
        ),
    ),
    "RAdam that always rectifies where it can": (
        "test-radam",
        lambda: changed(RADAM, ("length <= 5", "length <= 4")),
    ),
    "RAdam that waits for six": ("test-radam", lambda: changed(RADAM, ("length <= 5", "length <= 6"))),
    "RAdam that stands still while it cannot rectify": (
        "test-radam",
        lambda: changed(RADAM, ("    parameter -= rate * m\n    return", "    return")),
    ),
    "RAdam that never rectifies": ("test-radam", lambda: changed(RADAM, ("length <= 5", "True"))),
    "RAdam that rectifies with the root missing": (
        "test-radam",
        lambda: changed(RADAM, ("r = math.sqrt((length", "r = ((length")),
    ),
    "RAdam whose longest average is that of before": (
        "test-radam",
        lambda: changed(RADAM, ("2 / (1 - beta2) - 1", "2 / (1 - beta2)")),
    ),
    "RAdam with epsilon after the correction": (
        "test-radam",
        lambda: changed(
            RADAM,
            (
                'rate * r * math.sqrt(1 - beta2**t) * m / (np.sqrt(v) + group["epsilon"])',
                'rate * r * m / (np.sqrt(v / (1 - beta2**t)) + group["epsilon"])',
            ),
        ),
    ),
    "RAdam without correction of the squares": (
        "test-radam",
        lambda: changed(RADAM, ("rate * r * math.sqrt(1 - beta2**t) * m", "rate * r * m")),
    ),
    "RAdam whose plain steps are not corrected": (
        "test-radam",
        lambda: changed(RADAM, ("    parameter -= rate * m", '    parameter -= group["learning_rate"] * m')),
    ),
    "RAdam that averages squares only when it needs them": (
        "test-radam",
        lambda: {
            RADAM: EXERCISES.reference[RADAM]
            .replace("update_average(v, gradient**2, beta2)\n", "")
            .replace("r = math.sqrt", "update_average(v, gradient**2, beta2)\nr = math.sqrt")
        },
    ),
    "decay that is always added to the gradient": (
        "test-weight-decay",
        lambda: changed(DECAY, ("if not self.decoupled:", "if True:")),
    ),
    "decay that is never added to the gradient": (
        "test-weight-decay",
        lambda: changed(DECAY, ("if not self.decoupled:", "if False:")),
    ),
    "decay that forgets the rate": (
        "test-weight-decay",
        lambda: changed(
            DECAY,
            (
                'self.weight_decay if self.absolute else group["learning_rate"] * self.weight_decay',
                "self.weight_decay",
            ),
        ),
    ),
    "absolute decay that passes through the rate": (
        "test-weight-decay",
        lambda: changed(DECAY, ("self.weight_decay if self.absolute else ", "")),
    ),
    "L1 decay that runs past zero": (
        "test-weight-decay",
        lambda: changed(DECAY, ("np.clip(parameter, -delta, delta)", "delta * np.sign(parameter)")),
    ),
    "L1 decay that clips the parameter itself": (
        "test-weight-decay",
        lambda: changed(
            DECAY,
            (
                "parameter -= np.clip(parameter, -delta, delta)",
                "parameter[...] = np.clip(parameter, -delta, delta)",
            ),
        ),
    ),
    "L1 added as L2": (
        "test-weight-decay",
        lambda: changed(DECAY, ('parameter if self.norm == "l2" else np.sign(parameter)', "parameter")),
    ),
    "decay that binds the name": (
        "test-weight-decay",
        lambda: changed(DECAY, ("parameter *= 1 - delta", "parameter = parameter * (1 - delta)")),
    ),
    "decay that changes the gradient": (
        "test-weight-decay",
        lambda: changed(
            DECAY,
            (
                "return gradient + self.weight_decay * direction",
                "gradient += self.weight_decay * direction\n    return gradient",
            ),
        ),
    ),
    "decay that grows": ("test-weight-decay", lambda: changed(DECAY, ("1 - delta", "1 + delta"))),
    "decay that also shrinks what it added to": (
        "test-weight-decay",
        lambda: changed(DECAY, ("    return gradient + self", "    gradient = gradient + self")),
    ),
    "L1 that follows the gradient's sign": (
        "test-weight-decay",
        lambda: changed(DECAY, ("np.sign(parameter)", "np.sign(gradient)")),
    ),
    "a penalty that passes through the rate twice": (
        "test-weight-decay",
        lambda: changed(
            DECAY, ("gradient + self.weight_decay", 'gradient + group["learning_rate"] * self.weight_decay')
        ),
    ),
    "AdamW with the decay of the first group": (
        "test-adamw",
        lambda: changed(
            ADAMW,
            (
                'group["learning_rate"] * group["weight_decay"]',
                'group["learning_rate"] * self.param_groups[0]["weight_decay"]',
            ),
        ),
    ),
    "AdamW with L2": (
        "test-adamw",
        lambda: {ADAMW: "return super().decayed_gradient(gradient, group, parameter)"},
    ),
    "AdamW that shrinks regardless of the rate": (
        "test-adamw",
        lambda: changed(ADAMW, ('group["learning_rate"] * group["weight_decay"]', 'group["weight_decay"]')),
    ),
    "AdamW that decays twice": (
        "test-adamw",
        lambda: {
            ADAMW: EXERCISES.reference[ADAMW].replace(
                "return gradient", 'return gradient + group["weight_decay"] * parameter'
            )
        },
    ),
    "AdamW without decay": (
        "test-adamw",
        lambda: changed(ADAMW, ('parameter *= 1 - group["learning_rate"] * group["weight_decay"]\n', "")),
    ),
    "AdamW that makes a hook decoupled": (
        "test-adamw",
        lambda: {
            ADAMW: """
        decay = group["weight_decay"]
        parameter *= 1 - group["learning_rate"] * getattr(decay, "weight_decay", decay)
        return gradient
        """
        },
    ),
    "exponential decay that starts at gamma": (
        "test-schedules",
        lambda: changed(EXPONENTIAL, ("**epoch", "**(epoch + 1)")),
    ),
    "exponential decay with e": (
        "test-schedules",
        lambda: {EXPONENTIAL: "return math.exp(-self.gamma * epoch)"},
    ),
    "a cosine that rises again": (
        "test-schedules",
        lambda: changed(COSINE, ("min(epoch / self.epochs, 1.0)", "epoch / self.epochs")),
    ),
    "a cosine that ends at zero": ("test-schedules", lambda: changed(COSINE, ("self.min_fraction", "0.0"))),
    "a cosine one epoch too short": (
        "test-schedules",
        lambda: changed(COSINE, ("epoch / self.epochs", "epoch / max(self.epochs - 1, 1)")),
    ),
    "a straight line for the cosine": (
        "test-schedules",
        lambda: {COSINE: "return max(1 - (1 - self.min_fraction) * epoch / self.epochs, self.min_fraction)"},
    ),
    "a warm-up that begins at zero": (
        "test-schedules",
        lambda: changed(WARMUP, ("(batch + 1)", "batch")),
    ),
    "a warm-up without end": (
        "test-schedules",
        lambda: {WARMUP: "return (batch + 1) / self.batches"},
    ),
    "a cycle whose peak is a batch late": (
        "test-one-cycle",
        lambda: changed(CYCLE, ("self.rise * self.batches - 1", "self.rise * self.batches")),
    ),
    "a cycle whose peak is rounded": (
        "test-one-cycle",
        lambda: changed(CYCLE, ("self.rise * self.batches - 1", "round(self.rise * self.batches) - 1")),
    ),
    "a cycle that begins again": (
        "test-one-cycle",
        lambda: changed(CYCLE, ("min((batch - peak) / (end - peak), 1.0)", "(batch - peak) / (end - peak)")),
    ),
    "a cycle that climbs in a straight line": (
        "test-one-cycle",
        lambda: changed(
            CYCLE,
            (
                "cosine(self.start_fraction, 1.0, batch / peak)",
                "self.start_fraction + (1 - self.start_fraction) * batch / peak",
            ),
        ),
    ),
    "a cycle that ends where it began": (
        "test-one-cycle",
        lambda: changed(CYCLE, ("cosine(1.0, self.end_fraction", "cosine(1.0, self.start_fraction")),
    ),
    "a cycle that ends one batch late": (
        "test-one-cycle",
        lambda: changed(CYCLE, ("self.batches - 1, self.batches - 1", "self.batches - 1, self.batches")),
    ),
    "patience that reduces one epoch early": (
        "test-plateau",
        lambda: changed(
            PLATEAU, ("self.bad_epochs > self.patience", "self.bad_epochs >= max(self.patience, 1)")
        ),
    ),
    "a plateau that compares with the last metric": (
        "test-plateau",
        lambda: changed(
            PLATEAU,
            ("else:\n    self.bad_epochs += 1", "else:\n    self.best = metric\n    self.bad_epochs += 1"),
        ),
    ),
    "bad epochs that need not be in a row": (
        "test-plateau",
        lambda: changed(PLATEAU, ("self.best, self.bad_epochs = metric, 0", "self.best = metric")),
    ),
    "a plateau that goes on counting after a reduction": (
        "test-plateau",
        lambda: changed(
            PLATEAU,
            ("self.bad_epochs, self.cooldown_left = 0, self.cooldown", "self.cooldown_left = self.cooldown"),
        ),
    ),
    "a plateau without cooldown": (
        "test-plateau",
        lambda: changed(
            PLATEAU, ("self.bad_epochs, self.cooldown_left = 0, self.cooldown", "self.bad_epochs = 0")
        ),
    ),
    "a cooldown in which nothing is compared": (
        "test-plateau",
        lambda: {
            PLATEAU: """
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
        elif self.is_better(metric):
            self.best, self.bad_epochs = metric, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > self.patience:
            self.reductions += 1
            self.bad_epochs, self.cooldown_left = 0, self.cooldown
        """
        },
    ),
    "a plateau that only knows losses": (
        "test-plateau",
        lambda: changed(PLATEAU, ("self.is_better(metric)", "metric < abs(self.best)")),
    ),
    "a plateau without a floor": (
        "test-plateau",
        lambda: {FRACTION: "return self.gamma**reductions"},
    ),
    "a floor that is a rate": (
        "test-plateau",
        lambda: {FRACTION: "return max(self.gamma**reductions, self.min_fraction / self.initial_lr)"},
    ),
    "a sequence that counts on": (
        "test-sequential",
        lambda: changed(SEQUENCE, ("count - begin", "count")),
    ),
    "a sequence that begins a call late": (
        "test-sequential",
        lambda: changed(SEQUENCE, ("bisect_right", "bisect_left")),
    ),
    "a sequence of two": (
        "test-sequential",
        lambda: {
            SEQUENCE: """
        if not self.milestones or count < self.milestones[0]:
            return self.schedules[0].factor(count)
        return self.schedules[-1].factor(count - self.milestones[-1])
        """
        },
    ),
    "a sequence whose milestones are lengths": (
        "test-sequential",
        lambda: {
            SEQUENCE: """
        for schedule, length in zip(self.schedules, self.milestones):
            if count < length:
                return schedule.factor(count)
            count -= length
        return self.schedules[-1].factor(count)
        """
        },
    ),
    "a sequence that steps its parts": (
        "test-sequential",
        lambda: {
            SEQUENCE: """
        turn = bisect.bisect_right(self.milestones, count)
        part = self.schedules[turn]
        part.step_count += 1
        return part.factor(count - [0, *self.milestones][turn])
        """
        },
    ),
    "a range test that steps before it sets the rate": (
        "test-range-test",
        lambda: {
            RANGE: EXERCISES.reference[RANGE]
            .replace("    optimizer.learning_rate = rate\n", "")
            .replace("    if math.isnan", "    optimizer.learning_rate = rate\n    if math.isnan")
        },
    ),
    "a range test that never stops": (
        "test-range-test",
        lambda: changed(RANGE, ("    if smoothed[-1] > lowest + 3 * abs(lowest):\n        break\n", "")),
    ),
    "a range test that looks at single losses": (
        "test-range-test",
        lambda: changed(RANGE, ("smoothed[-1] > lowest", "loss > lowest")),
    ),
    "a range test that compares with the first": (
        "test-range-test",
        lambda: changed(RANGE, ("lowest = min(smoothed)", "lowest = smoothed[0]")),
    ),
    "a range test for positive losses only": (
        "test-range-test",
        lambda: changed(RANGE, ("lowest + 3 * abs(lowest)", "4 * lowest")),
    ),
    "a range test that does not debias": (
        "test-range-test",
        lambda: changed(RANGE, ("average / (1 - beta**i)", "average")),
    ),
    "a range test that keeps what is not finite": (
        "test-range-test",
        lambda: changed(
            RANGE, ("    if math.isnan(loss):\n", "    if math.isnan(loss):\n        losses.append(loss)\n")
        ),
    ),
    "a range test that explodes earlier": (
        "test-range-test",
        lambda: changed(RANGE, ("3 * abs", "2 * abs")),
    ),
    "a range test for the first group only": (
        "test-range-test",
        lambda: changed(
            RANGE, ("optimizer.learning_rate = rate", 'optimizer.param_groups[0]["learning_rate"] = rate')
        ),
    ),
    "a range test that never steps": (
        "test-range-test",
        lambda: changed(RANGE, ("optimizer.step(closure)", "closure()")),
    ),
    "a range test that steps twice": (
        "test-range-test",
        lambda: {
            RANGE: EXERCISES.reference[RANGE].replace(
                "optimizer.step(closure))", "optimizer.step(closure))\n    optimizer.step()"
            )
        },
    ),
    "a fall that is only rounding": (
        "test-rate-finder",
        lambda: changed(DECADE, (" > 1e-9 * abs(smoothed[i])", " > 0")),
    ),
    "the lowest loss for the steepest fall": (
        "test-rate-finder",
        lambda: {DECADE: "return rates[np.argmin(smoothed)]"},
    ),
    "the start of the decade": (
        "test-rate-finder",
        lambda: changed(DECADE, ("math.sqrt(rates[i] * rates[i + width])", "rates[i]")),
    ),
    "the middle of the decade on a straight scale": (
        "test-rate-finder",
        lambda: changed(
            DECADE, ("math.sqrt(rates[i] * rates[i + width])", "(rates[i] + rates[i + width]) / 2")
        ),
    ),
    "the steepest single step": (
        "test-rate-finder",
        lambda: changed(
            DECADE,
            ("smoothed[:-width] - smoothed[width:]", "smoothed[:-1] - smoothed[1:]"),
            ("rates[i + width]", "rates[i + 1]"),
        ),
    ),
    "the steepest rise": (
        "test-rate-finder",
        lambda: changed(
            DECADE, ("smoothed[:-width] - smoothed[width:]", "smoothed[width:] - smoothed[:-width]")
        ),
    ),
    "a suggestion where nothing falls": (
        "test-rate-finder",
        lambda: {DECADE: EXERCISES.reference[DECADE].split(" if falls")[0]},
    ),
    "an experiment with the usual settings": (
        "test-hunt-experiment",
        lambda: {EXPERIMENT: "return CLAIMS[claim].usual, [1.0], [[1.0]] * 4"},
    ),
    "an experiment without a late gradient": (
        ("test-hunt-experiment", "test-hunt-adamw"),
        lambda: changed(EXPERIMENT, ("gradients[0][1] = None\n", "")),
    ),
    "an experiment of one parameter": (
        "test-hunt-experiment",
        lambda: {
            EXPERIMENT: """
        settings = {name: 0.3 + 0.1 * i for i, name in enumerate(names)}
        return settings, [1.0], [[0.5], [-1.5], [0.25], [2.0]]
        """
        },
    ),
    "an experiment without decay": (
        ("test-hunt-experiment", "test-hunt-adamw"),
        lambda: changed(EXPERIMENT, ("return settings", 'settings["weight_decay"] = 0.0\nreturn settings')),
    ),
    "an experiment whose dampening is its momentum": (
        ("test-hunt-experiment", "test-hunt-momentum"),
        lambda: {
            EXPERIMENT: """
        settings = {name: 0.3 + 0.1 * i for i, name in enumerate(names)}
        if claim == "dampened":
            settings["dampening"] = settings["momentum"]
        return settings, [1.0, -2.0], [[0.5, None], [-1.5, 1.0], [0.25, -0.5], [2.0, 1.5]]
        """
        },
    ),
    "an experiment of ten steps": (
        "test-hunt-experiment",
        lambda: changed(EXPERIMENT, ("size=(4, 2)", "size=(10, 2)")),
    ),
    "a verdict that is always right": (HUNT_TESTS, lambda: {DIAGNOSE: "return RIGHT"}),
    "a verdict that is always something else": (HUNT_TESTS, lambda: {DIAGNOSE: "return STRANGER"}),
    "the nearest verdict": (
        "test-hunt-strangers",
        lambda: {
            DIAGNOSE: """
        settings, starts, gradients = experiment(claim)
        seen = observe(make_optimizer, settings, starts, gradients)
        verdicts = (RIGHT, *CLAIMS[claim].mistakes)
        paths = {verdict: predict(claim, verdict, settings, starts, gradients) for verdict in verdicts}
        return min(verdicts, key=lambda verdict: difference(seen, paths[verdict]))
        """
        },
    ),
    "a verdict for which nan is never nan": (
        "test-hunt-adamw",
        lambda: changed(DIAGNOSE, (", equal_nan=True", "")),
    ),
    "a verdict on the last step's first parameter": (
        "test-hunt-adamw",
        lambda: changed(
            DIAGNOSE,
            ("seen, predict", "seen[:, 0], predict"),
            ("starts, gradients), equal", "starts, gradients)[:, 0], equal"),
        ),
    ),
    "a verdict on the first step": (
        ("test-hunt-adamw", "test-hunt-strangers"),
        lambda: changed(
            DIAGNOSE,
            ("seen, predict", "seen[0], predict"),
            ("starts, gradients), equal", "starts, gradients)[0], equal"),
        ),
    ),
    "a verdict that is not exact": (
        "test-hunt-adamw",
        lambda: changed(DIAGNOSE, ("equal_nan=True", "equal_nan=True, atol=0.3")),
    ),
    "a verdict that wants the last bit": (
        "test-hunt-adamw",
        lambda: changed(DIAGNOSE, ("np.allclose(", "np.array_equal(")),
    ),
    "a verdict that knows no right ones": (
        "test-hunt-adamw",
        lambda: changed(DIAGNOSE, ("(RIGHT, *CLAIMS[claim].mistakes)", "CLAIMS[claim].mistakes")),
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
    "a running mean from a sum": lambda: {
        MEAN: """
        total, count = 0.0, 0
        for value in values:
            total = total + value
            count += 1
            yield total / count
        """
    },
    "a running mean as a weighted one": lambda: {
        MEAN: """
        mean = 0.0
        for i, value in enumerate(values, 1):
            mean = ((i - 1) * mean + value) / i
            yield mean
        """
    },
    "an average by the difference": lambda: {
        EWMA: """
        a, power = 0.0, 1.0
        for value in values:
            a = a + (1 - beta) * (value - a)
            power *= beta
            if debias:
                yield a / (1 - power)
            else:
                yield a
        """
    },
    "momentum case by case": lambda: {
        MOMENTUM: """
        if group["average"]:
            b[...] = mu * b + (1 - mu) * gradient
            direction = b / (1 - mu**t) if group["debias"] else b
        elif t == 1:
            b[...] = gradient
            direction = gradient + mu * b if group["nesterov"] else b
        else:
            b[...] = mu * b + (1 - group["dampening"]) * gradient
            direction = gradient + mu * b if group["nesterov"] else b
        parameter[...] = parameter - group["learning_rate"] * direction
        """
    },
    "AdaGrad in one expression": lambda: {
        ADAGRAD: """
        state["sum_of_squares"] += np.square(gradient)
        parameter -= group["learning_rate"] / (state["sum_of_squares"] ** 0.5 + group["epsilon"]) * gradient
        """
    },
    "RMSprop case by case": lambda: {
        RMSPROP: """
        a = group["alpha"]
        state["second_moment"][...] = a * state["second_moment"] + (1 - a) * gradient * gradient
        variance = state["second_moment"]
        if group["centered"]:
            state["first_moment"][...] = a * state["first_moment"] + (1 - a) * gradient
            variance = np.clip(variance - state["first_moment"] ** 2, 0, None)
        ratio = gradient / (variance**0.5 + group["epsilon"])
        if group["momentum"]:
            state["momentum_buffer"][...] = group["momentum"] * state["momentum_buffer"] + ratio
            parameter -= group["learning_rate"] * state["momentum_buffer"]
        else:
            parameter -= group["learning_rate"] * ratio
        """
    },
    "AMSGrad with assignments": lambda: {
        BUFFERS: 'return (*super().buffers(group), "largest_second_moment")',
        AMSGRAD: """
        b1, b2, t = group["beta1"], group["beta2"], state["update_count"]
        state["first_moment"][...] = b1 * state["first_moment"] + (1 - b1) * gradient
        state["second_moment"][...] = b2 * state["second_moment"] + (1 - b2) * gradient**2
        big = state["largest_second_moment"]
        big[...] = np.where(state["second_moment"] > big, state["second_moment"], big)
        root = np.sqrt(big) / math.sqrt(1 - b2**t) + group["epsilon"]
        parameter -= group["learning_rate"] / (1 - b1**t) * state["first_moment"] / root
        """,
    },
    "NAdam in two steps": lambda: {
        NADAM: """
        t, beta2 = state["update_count"], group["beta2"]
        state["first_moment"][...] += (1 - group["beta1"]) * (gradient - state["first_moment"])
        state["second_moment"][...] += (1 - beta2) * (gradient**2 - state["second_moment"])
        state["momentum_product"] *= momentum_at(t)
        so_far = state["momentum_product"]
        root = np.sqrt(state["second_moment"] / (1 - beta2**t)) + group["epsilon"]
        ahead = so_far * momentum_at(t + 1)
        parameter -= group["learning_rate"] * (1 - momentum_at(t)) / (1 - so_far) * gradient / root
        parameter -= group["learning_rate"] * momentum_at(t + 1) / (1 - ahead) * state["first_moment"] / root
        """
    },
    "RAdam the other way round": lambda: {
        RADAM: """
        b1, b2, t = group["beta1"], group["beta2"], state["update_count"]
        m, v = state["first_moment"], state["second_moment"]
        update_average(m, gradient, b1)
        update_average(v, gradient * gradient, b2)
        m_hat = m / (1 - b1**t)
        whole = (1 + b2) / (1 - b2)
        part = whole - 2 * t / (b2**-t - 1) if b2 else whole
        if part > 5:
            factor = ((part - 4) / (whole - 4) * (part - 2) / (whole - 2) * whole / part) ** 0.5
            factor *= group["learning_rate"] * (1 - b2**t) ** 0.5
            parameter -= factor * m_hat / (np.sqrt(v) + group["epsilon"])
        else:
            parameter -= group["learning_rate"] * m_hat
        """
    },
    "decay with assignments": lambda: {
        DECAY: """
        if self.decoupled:
            shrink = self.weight_decay * (1 if self.absolute else group["learning_rate"])
            if self.norm == "l2":
                parameter[...] = parameter - shrink * parameter
            else:
                parameter[...] = np.sign(parameter) * np.maximum(np.abs(parameter) - shrink, 0)
            return gradient
        if self.norm == "l1":
            return gradient + np.sign(parameter) * self.weight_decay
        return gradient + parameter * self.weight_decay
        """
    },
    "AdamW through WeightDecay": lambda: {
        ADAMW: """
        decay = group["weight_decay"]
        if not hasattr(decay, "apply"):
            decay = WeightDecay(decay)
        return decay.apply(gradient, group, parameter)
        """
    },
    "curves written out": lambda: {
        EXPONENTIAL: "return math.pow(self.gamma, epoch)",
        COSINE: """
        if epoch >= self.epochs:
            return self.min_fraction
        wave = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        return self.min_fraction + (1 - self.min_fraction) * wave
        """,
        WARMUP: "return 1.0 if batch >= self.batches else (batch + 1) / self.batches",
        CYCLE: """
        top = self.rise * self.batches - 1
        if batch > self.batches - 1:
            return self.end_fraction
        if batch > top:
            return cosine(1.0, self.end_fraction, (batch - top) / (self.batches - 1 - top))
        return cosine(self.start_fraction, 1.0, batch / top)
        """,
    },
    "a plateau in another order": lambda: {
        FRACTION: """
        factor = self.gamma**reductions
        return factor if factor > self.min_fraction else self.min_fraction
        """,
        PLATEAU: """
        better = self.is_better(metric)
        if better:
            self.best = metric
        cooling = self.cooldown_left > 0
        self.cooldown_left = max(self.cooldown_left - 1, 0)
        self.bad_epochs = 0 if better or cooling else self.bad_epochs + 1
        if self.bad_epochs == self.patience + 1:
            self.bad_epochs = 0
            self.cooldown_left = self.cooldown
            self.reductions = self.reductions + 1
        """,
    },
    "a sequence in a loop": lambda: {
        SEQUENCE: """
        begin = 0
        for schedule, end in zip(self.schedules, self.milestones):
            if count < end:
                return schedule.factor(count - begin)
            begin = end
        return self.schedules[-1].factor(count - begin)
        """
    },
    "a range test in other words": lambda: {
        RANGE: """
        lowest = math.inf
        for rate in rates:
            optimizer.learning_rate = rate
            loss = number_or_nan("the loss", optimizer.step(closure))
            if not math.isfinite(loss):
                return losses, smoothed
            losses.append(loss)
            average += (1 - beta) * (loss - average)
            smoothed.append(average / (1 - beta ** len(losses)))
            lowest = min(lowest, smoothed[-1])
            if smoothed[-1] > lowest + 3 * abs(lowest):
                return losses, smoothed
        return losses, smoothed
        """
    },
    "the steepest decade in a loop": lambda: {
        DECADE: """
        best, place = 0.0, None
        for i in range(len(rates) - width):
            fall = smoothed[i] - smoothed[i + width]
            if fall > max(best, 1e-9 * abs(smoothed[i])):
                best, place = fall, i
        if place is None:
            return math.nan
        return math.exp((math.log(rates[place]) + math.log(rates[place + width])) / 2)
        """
    },
    "a bug hunt with numbers of its own": lambda: {
        EXPERIMENT: """
        gradients = [[2.0, None], [-1.0, 1.5], [0.5, -0.75], [3.0, 0.5]]
        if claim == "AdamW":
            rest = {"beta1": 0.5, "beta2": 0.8, "epsilon": 0.4, "weight_decay": 0.7}
        elif claim == "dampened":
            rest = {"momentum": 0.7, "dampening": 0.4}
        else:
            rest = {"momentum": 0.7}
        return {"learning_rate": 0.25, **rest}, [3.0, 1.0], gradients
        """,
        DIAGNOSE: """
        asked = experiment(claim)
        seen = observe(make_optimizer, *asked)
        fits = [verdict for verdict in (RIGHT,) + CLAIMS[claim].mistakes
                if difference(seen, predict(claim, verdict, *asked)) < 1e-6]
        return fits[0] if len(fits) == 1 else STRANGER
        """,
    },
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_in_another_hand_loses_none(name):
    assert failures(RIGHT[name]()) == {}


def test_blank_answers_score_nothing_and_say_which_exercise_waits():
    raised = failures(EXERCISES.blank)
    assert raised.keys() == EXERCISES.points.keys()
    for error in raised.values():
        assert isinstance(error, NotImplementedError) and "exercise '" in str(error)


def test_every_graded_cell_is_met_by_a_wrong_answer():
    met = {
        name for graded, _ in WRONG.values() for name in ((graded,) if isinstance(graded, str) else graded)
    }
    assert met == EXERCISES.points.keys()
