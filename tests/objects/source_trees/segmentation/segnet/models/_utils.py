def channels_of(shape):
    return int(shape[-1])


def freeze_model(model, **kwargs):
    for layer in model.layers:
        layer.trainable = False
