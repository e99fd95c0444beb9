"""Functions of Lambda layers, to be compiled by every Python: `pythonX.Y < lambda_sources.py` prints their bytecode.

They use what old Pythons understand. `bytecode.json` beside it is the output of CPython 2.7.18, 3.6.15, 3.7.16, 3.8.18,
3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0, with what the module `dis` of that Python says of it.
"""

# ruff: noqa: C400, F821, SIM222, UP036 - it is for old Pythons, and each instruction is meant

FUNCTIONS = {}


def add(function):
    FUNCTIONS[function.__name__] = function
    return function


def named(name, function):
    function.__name__ = name
    return add(function)


named("identity", lambda x: x)
named("affine", lambda x: x / 127.5 - 1)
named("slices", lambda x: x[:, 1:-1, ::2] * 2.0)
named("ellipsis", lambda x: x[..., -1])
named("mean", lambda x: K.mean(x, axis=[1, 2], keepdims=True))
named("difference", lambda t: K.abs(t[0] - t[1]))
named("defaults", lambda x, a=3, b=(1, 2): x * a + b[1])
named("normalized", lambda x: tf.nn.l2_normalize(x, 1))
named("as_list", lambda t: K.concatenate(list(t), axis=-1))
named("choice", lambda x: (x if None else -x) * (0 or 2))
named("chain", lambda x: x + 1 if 0 < 1 < 2 else x)
named("operators", lambda x: (x**2 % 3 + abs(-x) // 2 - x) / 3)


@add
def euclidean(vects):
    x, y = vects
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


@add
def loop(x):
    parts = []
    for i in range(3):
        if i == 1:
            continue
        parts.append(x[:, i] * (i + 1))
        if i == 2:
            break
    return K.concatenate(parts, axis=-1)


@add
def while_loop(x):
    i = 0
    while i < 3:
        x = x * 2
        i += 1
    return x


@add
def branches(x, mode="b"):
    if mode == "a":
        y = x + 1
    elif mode is None:
        y = x
    else:
        y = x - 1
    return y


@add
def comprehension(x):
    return K.stack([K.square(x) * i for i in range(1, 3)], axis=1)


@add
def generator(x):
    return K.stack(list(x[:, i] * k for i, k in enumerate((1.0, 2.0))), axis=1)


@add
def inner_functions(x):
    scale = 5.0

    def inner(v, k=2):
        return v * k + scale

    return inner(x) + inner(x, k=3) + inner(*[x], k=4)


@add
def dictionary(x):
    options = {"axis": 1, "keepdims": True}
    options["axis"] = 2
    return K.sum(x, **options)


@add
def imports(x):
    import tensorflow as tf
    from tensorflow import nn

    return tf.transpose(nn.relu(x), perm=(0, 2, 1))


@add
def swaps(x):
    a, b, c = x[:, 0], x[:, 1], x[:, 2]
    a, b, c = c, a, b
    a, b = b, a
    return K.stack([a, b, c], axis=1)


def _closed(low, factors):
    return named("closure", lambda x: tf.clip_by_value(x, -low, low) * tf.constant(factors))


_closed(1.0, [1.0, 2.0, 3.0])
CLOSURE = [[1.0, 2.0, 3.0], 1.0]  # in the order of co_freevars: factors, low


@add
def long_jump(x):
    for i in range(2):
        if i:
            x = x + 0.5 - 0.5
            x = x + 1.5 - 1.5
            x = x + 2.5 - 2.5
            x = x + 3.5 - 3.5
            x = x + 4.5 - 4.5
            x = x + 5.5 - 5.5
            x = x + 6.5 - 6.5
            x = x + 7.5 - 7.5
            x = x + 8.5 - 8.5
            x = x + 9.5 - 9.5
            x = x + 10.5 - 10.5
            x = x + 11.5 - 11.5
            x = x + 12.5 - 12.5
            x = x + 13.5 - 13.5
            x = x + 14.5 - 14.5
            x = x + 15.5 - 15.5
            x = x + 16.5 - 16.5
            x = x + 17.5 - 17.5
            x = x + 18.5 - 18.5
            x = x + 19.5 - 19.5
            x = x + 20.5 - 20.5
            x = x + 21.5 - 21.5
            x = x + 22.5 - 22.5
            x = x + 23.5 - 23.5
            x = x + 24.5 - 24.5
            x = x + 25.5 - 25.5
            x = x + 26.5 - 26.5
            x = x + 27.5 - 27.5
            x = x + 28.5 - 28.5
            x = x + 29.5 - 29.5
            x = x + 30.5 - 30.5
            x = x + 31.5 - 31.5
            x = x + 32.5 - 32.5
            x = x + 33.5 - 33.5
            x = x + 34.5 - 34.5
            x = x + 35.5 - 35.5
            x = x + 36.5 - 36.5
            x = x + 37.5 - 37.5
            x = x + 38.5 - 38.5
            x = x + 39.5 - 39.5
            x = x + 40.5 - 40.5
            x = x + 41.5 - 41.5
            x = x + 42.5 - 42.5
            x = x + 43.5 - 43.5
            x = x + 44.5 - 44.5
            x = x + 45.5 - 45.5
            x = x + 46.5 - 46.5
            x = x + 47.5 - 47.5
            x = x + 48.5 - 48.5
            x = x + 49.5 - 49.5
            x = x + 50.5 - 50.5
            x = x + 51.5 - 51.5
            x = x + 52.5 - 52.5
            x = x + 53.5 - 53.5
            x = x + 54.5 - 54.5
            x = x + 55.5 - 55.5
            x = x + 56.5 - 56.5
            x = x + 57.5 - 57.5
            x = x + 58.5 - 58.5
            x = x + 59.5 - 59.5
            x = x + 60.5 - 60.5
            x = x + 61.5 - 61.5
            x = x + 62.5 - 62.5
            x = x + 63.5 - 63.5
            x = x + 64.5 - 64.5
            x = x + 65.5 - 65.5
            x = x + 66.5 - 66.5
            x = x + 67.5 - 67.5
            x = x + 68.5 - 68.5
            x = x + 69.5 - 69.5
    return x


def main():
    import base64
    import dis
    import json
    import marshal
    import sys

    def instructions(code):
        skipped = ("EXTENDED_ARG", "CACHE")
        found = [[i.opname, i.arg] for i in dis.get_instructions(code) if i.opname not in skipped]
        return found + [instructions(c) for c in code.co_consts if hasattr(c, "co_code")]

    result = {}
    for name in sorted(FUNCTIONS):
        code = FUNCTIONS[name].__code__
        result[name] = {"code": base64.b64encode(marshal.dumps(code)).decode()}
        if sys.version_info >= (3, 4):
            result[name]["instructions"] = instructions(code)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
