SMOOTH = 1e-5


def gather_channels(*xs, indexes=None, **kwargs):
    return xs


def average(x, per_image=False, **kwargs):
    backend = kwargs['backend']
    return backend.mean(x)
